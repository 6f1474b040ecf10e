"""The application: its commands, and what an error looks like from outside."""

import logging
import sys
from typing import Annotated

import typer

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.cli.build_web import site
from lesionlab.cli.card import card
from lesionlab.cli.check_explanations import check_explanations
from lesionlab.cli.compare import compare
from lesionlab.cli.convert import convert
from lesionlab.cli.cross_validate import cross_validate
from lesionlab.cli.data import app as data_app
from lesionlab.cli.demo import demo
from lesionlab.cli.drift import drift
from lesionlab.cli.evaluate import evaluate
from lesionlab.cli.explain import explain
from lesionlab.cli.export import export
from lesionlab.cli.info import info
from lesionlab.cli.predict import predict
from lesionlab.cli.recipes import recipes
from lesionlab.cli.reproduce import benchmark
from lesionlab.cli.segment import app as segment_app
from lesionlab.cli.serve import serve
from lesionlab.cli.train import train
from lesionlab.errors import LesionlabError

app = typer.Typer(
    name="lesionlab",
    help=f"Classify dermoscopic images of skin lesions. {RESEARCH_ONLY}",
    no_args_is_help=True,
    # An unexpected error shows Python's plain traceback: it is what a bug report needs.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(predict)
app.command()(serve)
app.command()(site)
app.command()(train)
app.command()(evaluate)
app.command()(compare)
app.command()(explain)
app.command()(check_explanations)
app.command()(cross_validate)
app.command()(benchmark)
app.command()(export)
app.command()(convert)
app.add_typer(data_app, name="data")
app.add_typer(segment_app, name="segment")
app.command()(recipes)
app.command()(card)
app.command()(drift)
app.command()(info)
app.command()(demo)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"lesionlab {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; an error that the user can mend is one line on standard error."""
    # A line that cannot be logged (a full disk) must not bury the error that matters under a traceback.
    logging.raiseExceptions = False
    try:
        app()
    except LesionlabError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(error.exit_code) from None
