"""`lesionlab card`."""

from pathlib import Path
from typing import Annotated

import typer

from lesionlab.cli.console import require_extra


def card(
    bundle: Annotated[
        Path | None, typer.Argument(help="A bundle or a run folder. Default: the model that ships with the package.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the card to this file. Default: standard output.")
    ] = None,
    external: Annotated[
        list[Path] | None,
        typer.Option(
            "--external",
            help="What `lesionlab evaluate` wrote for another dataset: its folder or metrics.json. May be repeated.",
            show_default=False,
        ),
    ] = None,
    explanations: Annotated[
        Path | None,
        typer.Option(
            help="What `lesionlab check-explanations` wrote for this model: its folder or attribution.json.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Describe a model for a paper: a model card in Markdown, with the CLAIM and TRIPOD+AI checklists answered.

    Everything in it comes from the bundle; what the bundle does not know is said to be not known.
    """
    require_extra("lesionlab card", "train", "matplotlib", "jinja2")
    from lesionlab.bundle import Bundle
    from lesionlab.evaluation.card import read_explanations, read_external, render_card
    from lesionlab.files import write_text

    model = Bundle.load(bundle)
    explained = None if explanations is None else read_explanations(explanations, model.info)
    text = render_card(model, [read_external(place, model.info) for place in external or ()], explained)
    if file is None:
        typer.echo(text, nl=False)
    else:
        write_text(file, text)
