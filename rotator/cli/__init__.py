"""The command line: its verbs, their options, and how outcomes are shown."""
