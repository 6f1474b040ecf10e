"""The application: its commands, and the handling of errors."""

import logging
import os
import sys
import traceback
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from keyword import iskeyword
from typing import Annotated, NoReturn

import typer

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.cli.console import discard_broken_streams, is_output_error, is_verbose, prepare_streams, set_verbosity
from lesionlab.cli.options import add_commands
from lesionlab.errors import EXIT_CODES, LesionlabError, OtherProcessError

# Each command is the function of its name in the module of its name; a group is the variable `app` of its module.
_COMMANDS = (
    "predict",
    "serve",
    "build-web",
    "train",
    "find-lr",
    "evaluate",
    "compare",
    "explain",
    "check-explanations",
    "cross-validate",
    "tune",
    "reproduce",
    "export",
    "import",
    "calibrate",
    "fuse",
    "convert",
    "recipes",
    "card",
    "drift",
    "info",
    "demo",
)
_GROUPS = ("data", "segment", "registry", "label")


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"lesionlab {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def application(names: Iterable[str] = (*_COMMANDS, *_GROUPS)) -> typer.Typer:
    """Return the application with some of its commands; by default with all."""
    app = typer.Typer(
        name="lesionlab",
        help=f"Classify dermoscopic images of skin lesions. {RESEARCH_ONLY}",
        epilog=EXIT_CODES,
        no_args_is_help=True,
        # An unexpected error shows Python's plain traceback, as a bug report needs it.
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for name in names:
        attribute = name.replace("-", "_") + "_" * iskeyword(name)
        module = import_module(f"lesionlab.cli.{attribute}")
        if name in _GROUPS:
            app.add_typer(module.app, name=name)
        else:
            add_commands(app, getattr(module, attribute))
    return app


def _requested() -> typer.Typer:
    """Return the application with the requested command: the options of all others take a tenth of a second."""
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    completing = "_LESIONLAB_COMPLETE" in os.environ
    return application([first]) if first in (*_COMMANDS, *_GROUPS) and not completing else application()


def main() -> None:
    """Run the command line; an expected error is one line on standard error."""
    # A log message that cannot be written, as on a full disk, must not add a traceback to the error itself.
    logging.raiseExceptions = False
    set_verbosity(logging.INFO)
    prepare_streams()
    try:
        try:
            _requested()()
        finally:
            sys.stdout.flush()
    except OtherProcessError:  # which has printed its error
        raise SystemExit(1) from None
    except LesionlabError as error:
        _fail(str(error), error.exit_code)
    except MemoryError:
        _fail("not enough memory; use smaller batches or fewer workers, or a machine with more memory")
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except ModuleNotFoundError as error:
        if (error.name or "lesionlab").startswith("lesionlab"):
            raise
        _fail(f"the package {error.name} is not installed; `lesionlab info` lists the extras")
    except OSError as error:
        if not is_output_error(error):
            raise
        discard_broken_streams()
        if isinstance(error, BrokenPipeError):  # the reader has stopped, as in `| head`
            raise SystemExit(1) from None
        _fail(f"cannot write to standard output: {error.strerror or error}")


def _fail(message: str, exit_code: int = 1) -> NoReturn:
    with suppress(OSError):
        if is_verbose():
            traceback.print_exc()
        sys.stderr.write(f"error: {message}\n")
    raise SystemExit(exit_code) from None
