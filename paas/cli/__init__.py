"""The command line: assembles the rooms' commands and hands them what they need of other rooms."""
