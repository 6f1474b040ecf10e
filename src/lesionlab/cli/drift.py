"""`lesionlab drift`."""

from typing import TYPE_CHECKING

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import new_table, progress_bar, show, show_json, show_table
from lesionlab.cli.options import Images, Json, Model, images_of

if TYPE_CHECKING:
    from lesionlab.prediction.drift import Drift


def drift(paths: Images, model: Model = None, as_json: Json = False) -> None:
    """Compare new images and their predictions with the validation images of the model.

    No diagnoses are needed. With drift, the model's figures may not hold for the new images; the absence of drift does
    not mean that they hold.
    """
    from lesionlab.prediction import Predictor
    from lesionlab.prediction.drift import measure_drift

    places = images_of(paths)
    predictor = Predictor.load(model)
    with progress_bar("predicting") as update:
        found = measure_drift(predictor, places, progress=update)
    if as_json:
        show_json(found)
    else:
        _show(found)


def _show(found: "Drift") -> None:
    from rich.text import Text

    title = f"{found.images:,} images and the validation images of {found.model}"
    table = new_table("measure", "median", "validation", "gap", "p", "", title=title)
    for row in found.measures:
        numbers = (f"{row.median:.3g}", f"{row.reference_median:.3g}", f"{row.statistic:.2f}", f"{row.p_value:.1g}")
        table.add_row(row.name, *numbers, Text("drifted", style="bold magenta") if row.drifted else "")
    show_table(table)
    shares = ", ".join(
        f"{code} {share:.1%} (validation {found.reference_class_shares[code]:.1%})"
        for code, share in found.class_shares.items()
    )
    show(f"balanced predictions: {shares}; population stability index {found.stability_index:.2f}")
    show(f"abstained: {found.abstained:.1%}")
    if found.failures:
        show(f"{found.failures:,} files could not be read and were left out", style="yellow")
    conclusion = (
        "These images differ from the validation images: the model's figures may not hold for them."
        if found.drifted
        else "No drift was found. This does not show that the model is accurate on these images."
    )
    show(conclusion, style="bold")
    show(RESEARCH_ONLY)
