"""How every command speaks: output on stdout, progress and problems on stderr, one connection.

It is the lowest room of the command line: the rooms' `cli.py` modules use it, `paas.cli` assembles them.
"""
