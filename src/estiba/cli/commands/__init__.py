"""The commands, one a file (grouped ones as GROUP_VERB): COMMAND and run(). See ``cli.registry``."""
