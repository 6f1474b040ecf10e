"""`lesionlab card`."""

from pathlib import Path
from typing import Annotated

import typer

from lesionlab.cli.console import require_extra, show_json, utf8_stdout
from lesionlab.cli.options import Force, Json, Model, existing
from lesionlab.files import check_output


def card(
    model: Model = None,
    file: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write. Default: standard output.", show_default=False)
    ] = None,
    external: Annotated[
        list[Path] | None,
        typer.Option(
            callback=existing,
            help="Evaluation on another dataset: a folder or metrics.json of `lesionlab evaluate`. Repeatable.",
            show_default=False,
        ),
    ] = None,
    explanations: Annotated[
        Path | None,
        typer.Option(
            callback=existing,
            help="Check of the explanations: a folder or attribution.json of `lesionlab check-explanations`.",
            show_default=False,
        ),
    ] = None,
    appendix: Annotated[
        bool,
        typer.Option(
            "--appendix", help="Write the appendix: all metrics, recipe, versions, and the reporting checklists."
        ),
    ] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write a model card in Markdown: intended use, limits, data and performance.

    Its content comes from the bundle. `--appendix` writes a second document with the CLAIM, STARD-AI and TRIPOD+AI
    checklists; items that the bundle does not document are marked as not reported.
    """
    require_extra("lesionlab card", "evaluate", "matplotlib", "jinja2", "markupsafe", "tomli_w")
    from lesionlab.bundle import Bundle
    from lesionlab.evaluation.card import read_explanations, read_external, render_appendix, render_card
    from lesionlab.files import write_text

    if file is not None:
        check_output(file, [model, explanations, *(external or ())], force=force)
    bundle = Bundle.load(model)
    checked = None if explanations is None else read_explanations(explanations, bundle.info)
    render = render_appendix if appendix else render_card
    text = render(bundle, [read_external(place, bundle.info) for place in external or ()], checked)
    if file is not None:
        write_text(file, text)
    if as_json:
        show_json({"model": bundle.info.identity, "file": str(file) if file else None, "markdown": text})
    elif file is None:
        utf8_stdout().write(text)
