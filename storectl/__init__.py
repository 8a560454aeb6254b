"""The command line: commands, their options and output, and exit codes."""
