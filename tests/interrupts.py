"""Programs that react to Ctrl-C, whatever started the tests.

A shell that starts the tests in the background has them ignore interrupts, and their processes inherit this.
"""

RESTORE_INTERRUPTS = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
"""

# `lesionlab`, for `python -c`.
INTERRUPTIBLE = f"""{RESTORE_INTERRUPTS}
from lesionlab.cli import main
if __name__ == "__main__":
    main()
"""
