"""The command line: one module per command.

Exit codes: 0 done, 1 failed (bad data, one bad image among many), 2 wrong use.

A module's top level imports only what its signature needs; the rooms that do the work are imported inside the
command, so that `lesionlab predict` does not pay for what `lesionlab train` needs.
"""

from lesionlab.cli.main import main

__all__ = ["main"]
