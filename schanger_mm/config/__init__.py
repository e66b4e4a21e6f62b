"""Reading configs: the installed stack, names, overrides, spelling, schedules."""
