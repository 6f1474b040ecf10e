"""The application: its commands, and the handling of errors."""

import logging
import sys
import traceback
from contextlib import suppress
from typing import Annotated, NoReturn

import typer

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.cli import data, label, registry, segment
from lesionlab.cli.build_web import build_web
from lesionlab.cli.calibrate import calibrate
from lesionlab.cli.card import card
from lesionlab.cli.check_explanations import check_explanations
from lesionlab.cli.compare import compare
from lesionlab.cli.console import discard_broken_streams, is_output_error, is_verbose, prepare_streams, set_verbosity
from lesionlab.cli.convert import convert
from lesionlab.cli.cross_validate import cross_validate
from lesionlab.cli.demo import demo
from lesionlab.cli.drift import drift
from lesionlab.cli.evaluate import evaluate
from lesionlab.cli.explain import explain
from lesionlab.cli.export import export
from lesionlab.cli.find_lr import find_lr
from lesionlab.cli.fuse import fuse
from lesionlab.cli.info import info
from lesionlab.cli.options import add_commands
from lesionlab.cli.predict import predict
from lesionlab.cli.recipes import recipes
from lesionlab.cli.reproduce import reproduce
from lesionlab.cli.serve import serve
from lesionlab.cli.train import train
from lesionlab.cli.tune import tune
from lesionlab.errors import EXIT_CODES, LesionlabError, OtherProcessError

app = typer.Typer(
    name="lesionlab",
    help=f"Classify dermoscopic images of skin lesions. {RESEARCH_ONLY}",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    # An unexpected error shows Python's plain traceback, as a bug report needs it.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
add_commands(
    app,
    predict,
    serve,
    build_web,
    train,
    find_lr,
    evaluate,
    compare,
    explain,
    check_explanations,
    cross_validate,
    tune,
    reproduce,
    export,
    calibrate,
    fuse,
    convert,
    recipes,
    card,
    drift,
    info,
    demo,
)
app.add_typer(data.app, name="data")
app.add_typer(segment.app, name="segment")
app.add_typer(registry.app, name="registry")
app.add_typer(label.app, name="label")


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"lesionlab {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; an expected error is one line on standard error."""
    # A log message that cannot be written, as on a full disk, must not add a traceback to the error itself.
    logging.raiseExceptions = False
    set_verbosity(logging.INFO)
    prepare_streams()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except OtherProcessError:  # which has printed its error
        raise SystemExit(1) from None
    except LesionlabError as error:
        _fail(str(error), error.exit_code)
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
