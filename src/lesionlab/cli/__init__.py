"""The command line: one module per command.

The top level of a module imports only what its signature needs. The packages that do the work are imported inside the
command, so that `lesionlab predict` does not load what `lesionlab train` needs.
"""

import gc

# Before the imports: with Python's default, the collector goes through all imported modules several times meanwhile.
gc.set_threshold(20_000, 20, 20)

from lesionlab.cli.main import main  # noqa: E402 - see above

__all__ = ["main"]
