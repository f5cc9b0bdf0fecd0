"""The command `channels-stack`: one module for each subcommand."""
