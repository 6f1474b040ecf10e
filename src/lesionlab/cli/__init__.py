"""The command line: one module per command.

The top level of a module imports only what its signature needs. The packages that do the work are imported inside the
command, so that `lesionlab predict` does not load what `lesionlab train` needs.
"""

from lesionlab.cli.main import main

__all__ = ["main"]
