"""Run a training or a test: the Runner, its processes, failures, resuming and hooks."""
