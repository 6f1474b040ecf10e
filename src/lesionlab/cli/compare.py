"""`lesionlab compare`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import out, require_extra
from lesionlab.cli.evaluate import Subset

if TYPE_CHECKING:
    from lesionlab.evaluation.comparison import Comparison
    from lesionlab.metrics import Estimate


def compare(
    a: Annotated[Path, typer.Argument(help="A run, an evaluation folder, or a predictions.csv.", show_default=False)],
    b: Annotated[Path, typer.Argument(help="Another of the same images.", show_default=False)],
    subset: Annotated[Subset, typer.Option("--subset", help="Which evaluation of a run to read.")] = Subset.TEST,
    file: Annotated[Path | None, typer.Option("--out", help="Also write the comparison here as JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say which of two evaluated models is better on the same images, and whether chance alone explains it.

    A model of the seven diagnoses and a binary one are compared in the question that both answer.
    """
    require_extra("lesionlab compare", "train", "matplotlib", "jinja2")
    from lesionlab.evaluation.comparison import compare_predictions
    from lesionlab.evaluation.predictions_file import find_predictions, read_predictions
    from lesionlab.files import write_json

    first, second = (read_predictions(find_predictions(place, subset)) for place in (a, b))
    comparison = compare_predictions(first, second)
    if file is not None:
        write_json(file, comparison.model_dump(mode="json"))
    if as_json:
        typer.echo(comparison.model_dump_json(indent=2))
    else:
        _show(comparison)


def _show(comparison: "Comparison") -> None:
    from lesionlab.evaluation.comparison import p_in_words

    for side, model in (("A", comparison.a), ("B", comparison.b)):
        marks = [model.task, *(["leaky"] if model.leaky else [])]
        out.print(f"{side}: {model.name} ({', '.join(marks)}), {model.predictions}", markup=False, soft_wrap=True)
    table = Table(box=None, header_style="bold")
    for heading in ("metric", "A", "B", "B - A", "95% by lesion", "p"):
        table.add_column(heading, justify="left" if heading == "metric" else "right")
    for row in comparison.metrics:
        low, high = row.difference.low, row.difference.high
        table.add_row(
            row.metric.replace("_", " "),
            _cell(row.a, leaky=comparison.a.leaky),
            _cell(row.b, leaky=comparison.b.leaky),
            "" if row.difference.value is None else f"{row.difference.value:+.3f}",
            "" if low is None or high is None else f"{low:+.3f} to {high:+.3f}",
            "" if row.p_value is None else f"{p_in_words(row.p_value).removeprefix('= ')} {row.test}",
        )
    out.print(table)
    out.print()
    for row in comparison.metrics:
        out.print(row.sentence, markup=False, soft_wrap=True)
    out.print()
    out.print(f"{comparison.n_images} images of {comparison.n_lesions} lesions.")
    for note in comparison.notes:
        out.print(note, markup=False, soft_wrap=True)
    out.print(RESEARCH_ONLY)


def _cell(estimate: "Estimate", *, leaky: bool | None) -> str:
    value = "not defined" if estimate.value is None else f"{estimate.value:.3f}"
    return f"{value} leaky" if leaky else value
