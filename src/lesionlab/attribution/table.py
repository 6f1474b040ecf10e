"""Measures of explanations as Markdown tables."""

from collections.abc import Iterable, Sequence

from lesionlab import RESEARCH_ONLY
from lesionlab.attribution.localisation import CHOSEN
from lesionlab.attribution.result import ArtefactCheck, MethodCheck, ModelCheck
from lesionlab.metrics import Estimate

_METHOD_HEAD = (
    "| model | method | images | energy on the lesion | peak on the lesion | deletion | insertion "
    "| rank correlation, head randomised | all randomised | other image | absolute, all randomised | check |"
)
_MALIGNANT_HEAD = (
    "| model | images | energy on the lesion | area of the lesion | energy, uniform over the crop "
    "| more than 80% on the lesion |"
)
_ARTEFACT_HEAD = (
    "| model | beside the lesion | images | predictions changed | benign to malignant | probability change "
    "| map there, before | map there, after | area there |"
)


def render_table(models: Sequence[ModelCheck]) -> str:
    """Return Markdown tables with a row for each model and method, and for each model and artefact."""
    lines = [_METHOD_HEAD, _rule(_METHOD_HEAD)]
    for model in models:
        lines += [_method_row(model, row) for row in (*model.methods, *model.controls)]
    lines += ["", "Grad-CAM on correctly classified malignant images:", ""]
    lines += [_MALIGNANT_HEAD, _rule(_MALIGNANT_HEAD)]
    for model in models:
        found = model.malignant
        if found is not None:
            cells = (found.energy[CHOSEN], found.area[CHOSEN], found.uniform.get(CHOSEN), found.inside)
            lines.append(_row(model.run, found.images, *map(_cell, cells)))
    lines += ["", _ARTEFACT_HEAD, _rule(_ARTEFACT_HEAD)]
    for model in models:
        lines += [_artefact_row(model.run, row) for row in model.artefacts]
    return "\n".join([*lines, "", RESEARCH_ONLY, ""])


def _method_row(model: ModelCheck, row: MethodCheck) -> str:
    stages = [
        row.randomised[stage].rank if stage in row.randomised else None for stage in ("head", "all", "other image")
    ]
    verdict = {True: "passed", False: "failed", None: ""}[row.passes_randomisation]
    measured: Iterable[Estimate | None] = (row.energy[CHOSEN], row.pointing, row.deletion, row.insertion, *stages)
    absolute = row.randomised["all"].absolute_rank if "all" in row.randomised else None
    return _row(model.run, row.title, row.images, *map(_cell, measured), _cell(absolute), verdict)


def _artefact_row(run: str, row: ArtefactCheck) -> str:
    effects = (row.predictions_changed, row.became_malignant, row.probability_change)
    return _row(run, row.artefact, row.images, *map(_cell, (*effects, row.map_before, row.map_after, row.area)))


def _cell(estimate: Estimate | None) -> str:
    if estimate is None or estimate.value is None:
        return ""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def _row(*cells: object) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _rule(head: str) -> str:
    return "|" + "---|" * (head.count("|") - 1)
