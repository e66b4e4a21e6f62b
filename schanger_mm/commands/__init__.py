"""The commands: one file each, with its parser and `main(args)`. Only the standard library is imported at the top."""
