"""Output of the commands.

Results go to standard output; progress, notes, warnings and errors go to standard error, so that a pipe carries nothing
but results. Consoles are made on use: they follow the current streams, and `lesionlab --version` does not import rich.
"""

import errno
import importlib.util
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import IO, TYPE_CHECKING, Any

from lesionlab.errors import InterruptedRunError, MissingExtraError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

_OUTPUT_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE, errno.EBADF, errno.EINVAL}


def out() -> "Console":
    """Return the console of standard output."""
    return _console(sys.stdout)


def err() -> "Console":
    """Return the console of standard error, for warnings and errors."""
    return _console(sys.stderr)


def notes() -> "Console":
    """Return the console of standard error for progress and notes; `--quiet` silences it."""
    return _console(sys.stderr, quiet=_HANDLER.level == logging.WARNING)


def show(text: "str | Text" = "", style: str | None = None) -> None:
    """Print a line of a result; the terminal wraps it."""
    out().print(text, style=style)


def note(text: "str | Text", style: str | None = None) -> None:
    """Print a note on standard error."""
    notes().print(text, style=style)


def note_left_out(files: object) -> None:
    """Print the counts of the files in folders and archives that are not used, if there are any."""
    if text := str(files):
        note(f"left out: {text}")


def warn(text: str) -> None:
    """Print a warning on standard error."""
    err().print(text, style="yellow")


def show_json(value: Any) -> None:
    """Print a pydantic model or JSON value, in ASCII: valid whatever the encoding of standard output."""
    content = value.model_dump(mode="json") if hasattr(value, "model_dump") else value
    sys.stdout.write(json.dumps(content, indent=2) + "\n")


def new_table(*headings: str, title: str | None = None, left: int = 1) -> "Table":
    """Return a table whose first `left` columns are aligned to the left and whose others to the right."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    for position, heading in enumerate(headings):
        table.add_column(heading, justify="left" if position < left else "right", no_wrap=True)
    return table


def show_table(table: "Table") -> None:
    """Print a table at its natural width: no cell is shortened, and a terminal that is too narrow wraps the lines."""
    from rich.segment import SegmentLines

    console = out()
    options = console.options.update(max_width=10_000)
    width = max(console.width, table.__rich_measure__(console, options).maximum)
    lines = console.render_lines(table, options.update(width=width), pad=False)
    console.print(SegmentLines(lines, new_lines=True))


def utf8_stdout() -> IO[str]:
    """Return standard output for documents and data, as UTF-8 with Unix line ends on every system."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="")
    return sys.stdout


def prepare_streams() -> None:
    """Make the standard streams accept any text: a character that they cannot encode is replaced."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the caller, as in `>&-`
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - open until the end
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def is_output_error(error: OSError) -> bool:
    """Return whether an error comes from a standard stream: result files report theirs as `LesionlabError`."""
    return error.filename is None and error.errno in _OUTPUT_ERRORS


def discard_broken_streams() -> None:
    """Redirect standard streams that cannot be written to the null device.

    Without it the interpreter would flush them again at exit and report the error a second time.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            with suppress(OSError):
                os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


@contextmanager
def progress_bar(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on standard error while the block runs; nothing where that is not a terminal.

    Yields:
        A function to call with the number of completed steps and their total.
    """
    console = notes()
    if console.quiet or not console.is_terminal:
        yield lambda _done, _total: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def resumable(how: str) -> Iterator[None]:
    """Report an interruption with Ctrl-C, which Lightning turns into a silent exit, and how to resume.

    Raises:
        InterruptedRunError: The block was interrupted.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as error:
        raise InterruptedRunError(f"interrupted; to resume, {how}") from error


def require_extra(purpose: str, extra: str, *modules: str) -> None:
    """Check that the packages of an extra are installed.

    Raises:
        MissingExtraError: One is missing. The message names it and the command that installs it.
    """
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(purpose, extra, module)


def set_verbosity(level: int) -> None:
    """Set what is printed beside results: DEBUG for `--verbose`, WARNING for `--quiet`, else INFO."""
    _HANDLER.setLevel(level)
    if level == logging.DEBUG:
        log_to_console()


def is_verbose() -> bool:
    """Return whether `--verbose` was given."""
    return _HANDLER.level == logging.DEBUG


def log_to_console() -> None:
    """Print log messages of the package to standard error, one line each, above any progress bar."""
    package = logging.getLogger("lesionlab")
    package.addHandler(_HANDLER)
    package.setLevel(min(_HANDLER.level, logging.INFO))


class _ConsoleHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        err().print(self.format(record), style="yellow" if record.levelno >= logging.WARNING else None)


_HANDLER = _ConsoleHandler(logging.INFO)


def _console(file: IO[str], *, quiet: bool = False) -> "Console":
    from rich.console import Console

    return Console(file=file, quiet=quiet, highlight=False, markup=False, emoji=False, soft_wrap=True)
