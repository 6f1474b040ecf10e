"""What the commands share: where they talk to people, and how they show progress.

Results go to standard output, everything else (progress, notes, errors) to standard error, so that a pipe
carries nothing but results.
"""

import importlib.util
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from lesionlab.errors import LesionlabError, MissingExtraError

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


@contextmanager
def progress_bar(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on standard error while the block runs; nothing where that is not a terminal.

    Yields:
        A function to call with the number of things done and the number in all.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(description, total=None)

        def update(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield update


@contextmanager
def interruptible(how_to_go_on: str) -> Iterator[None]:
    """Say how to go on after Ctrl-C, which Lightning turns into a silent exit."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as error:
        raise LesionlabError(f"interrupted; the same command {how_to_go_on}") from error


def require_extra(purpose: str, extra: str, *modules: str) -> None:
    """Refuse in one line if a module of an optional part of the package is not installed.

    Raises:
        MissingExtraError: With the command that installs it.
    """
    if any(importlib.util.find_spec(module) is None for module in modules):
        raise MissingExtraError(purpose, extra)


def log_to_console() -> None:
    """Print what the package logs to standard error, one plain line each, above any progress bar."""
    package = logging.getLogger("lesionlab")
    if not any(isinstance(handler, _ConsoleHandler) for handler in package.handlers):
        package.addHandler(_ConsoleHandler())
    package.setLevel(logging.INFO)


class _ConsoleHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        style = "yellow" if record.levelno >= logging.WARNING else None
        err.print(self.format(record), style=style, markup=False, soft_wrap=True)
