"""The command line: words in, words out, progress, exit codes."""
