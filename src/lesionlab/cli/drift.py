"""`lesionlab drift`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import out, progress_bar

if TYPE_CHECKING:
    from lesionlab.prediction.drift import Drift


def drift(
    paths: Annotated[
        list[str],
        typer.Argument(help="The new images: files, folders, zip archives or quoted patterns.", show_default=False),
    ],
    model: Annotated[
        Path | None, typer.Option("--model", "-m", help="Bundle to use instead of the one in the package.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare new images, and what the model says of them, with those that it was validated on.

    No diagnoses are needed. A drift means that the model's figures may not hold here; none does not mean that they do.
    """
    from lesionlab.prediction import Predictor
    from lesionlab.prediction.drift import measure_drift
    from lesionlab.prediction.io.inputs import expand_inputs

    places = expand_inputs(paths)
    predictor = Predictor.load(model)
    with progress_bar("judging") as update:
        found = measure_drift(predictor, places, progress=update)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        _show(found)


def _show(found: "Drift") -> None:
    table = Table(box=None, header_style="bold", title_justify="left")
    table.title = f"{found.images:,} images and the validation images of {found.model}"
    for heading in ("", "median", "validation", "gap", "p", ""):
        table.add_column(heading, justify="right" if heading else "left")
    for row in found.measures:
        numbers = (f"{row.median:.3g}", f"{row.reference_median:.3g}", f"{row.statistic:.2f}", f"{row.p_value:.1g}")
        table.add_row(row.name, *numbers, Text("drifted", style="bold magenta") if row.drifted else "")
    out.print(table)
    shares = ", ".join(
        f"{code} {share:.1%} (validation {found.reference_class_shares[code]:.1%})"
        for code, share in found.class_shares.items()
    )
    out.print(
        Text(f"balanced predictions: {shares}; population stability index {found.stability_index:.2f}"), soft_wrap=True
    )
    out.print(Text(f"abstained: {found.abstained:.1%}"))
    if found.failures:
        out.print(Text(f"{found.failures:,} files could not be read and were left out", style="yellow"))
    verdict = (
        "These images differ from the validation images: the model's figures may not hold for them."
        if found.drifted
        else "No drift was found. This says nothing about the accuracy on these images."
    )
    out.print(Text(verdict, style="bold"), soft_wrap=True)
    out.print(RESEARCH_ONLY)
