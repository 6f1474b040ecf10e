"""`lesionlab compare`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import new_table, require_extra, show, show_json, show_table
from lesionlab.cli.options import Force, Json, Subset, existing
from lesionlab.files import check_output

if TYPE_CHECKING:
    from lesionlab.evaluation.comparison import Comparison
    from lesionlab.metrics import Estimate


def compare(
    a: Annotated[
        Path,
        typer.Argument(
            callback=existing, help="Run, evaluation folder, or predictions.csv of a model.", show_default=False
        ),
    ],
    b: Annotated[
        Path, typer.Argument(callback=existing, help="The same of another model, same images.", show_default=False)
    ],
    subset: Annotated[Subset, typer.Option(help="Evaluated subset of a run.")] = Subset.TEST,
    file: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also write the comparison as JSON.", show_default=False)
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Compare two evaluated models on the same images: paired differences, confidence intervals and tests.

    A model of single diagnoses and a binary model are compared on the binary task; a model of eleven diagnoses and one
    of seven on the seven, on the images whose label is one of these.
    """
    require_extra("lesionlab compare", "evaluate", "matplotlib", "jinja2", "markupsafe", "tomli_w")
    from lesionlab.evaluation.comparison import compare_predictions
    from lesionlab.evaluation.predictions_file import find_predictions, read_predictions
    from lesionlab.files import write_json

    files = [find_predictions(place, subset) for place in (a, b)]
    if file is not None:
        check_output(file, [a, b, *files], force=force)
    comparison = compare_predictions(*map(read_predictions, files))
    if file is not None:
        write_json(file, comparison.model_dump(mode="json"))
    if as_json:
        show_json(comparison)
    else:
        _show(comparison)


def _show(comparison: "Comparison") -> None:
    from lesionlab.evaluation.comparison import p_in_words

    for side, model in (("A", comparison.a), ("B", comparison.b)):
        properties = [model.task, *(["leaky"] if model.leaky else [])]
        show(f"{side}: {model.name} ({', '.join(properties)}), {model.predictions}")
    table = new_table("metric", "A", "B", "B - A", "95% by lesion", "p")
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
    show_table(table)
    sentences = (row.sentence for row in comparison.metrics)
    counts = f"{comparison.n_images} images of {comparison.n_lesions} lesions."
    for line in ("", *sentences, "", counts, *comparison.notes, RESEARCH_ONLY):
        show(line)


def _cell(estimate: "Estimate", *, leaky: bool | None) -> str:
    value = "not defined" if estimate.value is None else f"{estimate.value:.3f}"
    return f"{value} leaky" if leaky else value
