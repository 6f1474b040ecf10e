#!/usr/bin/env python3
"""Write the shipped model's figures into the documentation: tables of README and docs, the model card, its appendix.

A table stands between `<!-- figures: NAME -->` and `<!-- end of figures -->`. Its figures come from benchmarks/results:
`default_model.json` for the test set, and the files of external datasets that exist. The card's figures come from the
bundle in the package and from the external files.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lesionlab.bundle import Bundle, GroupMetrics, WithinSourceAuc
from lesionlab.bundle.operating_points import NOUNS
from lesionlab.data.groups import DX_TYPES
from lesionlab.evaluation.card import ExternalEvaluation, read_external, render_appendix, render_card
from lesionlab.evaluation.card.external import ExternalPoint
from lesionlab.evaluation.card.markdown import estimate
from lesionlab.metrics import Estimate
from lesionlab.taxonomy import Target

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
_BLOCK = re.compile(r"(<!-- figures: ([\w-]+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)
_THRESHOLD: tuple[str, Target] = ("95% sensitivity", "malignant")
_OVERALL = {
    "balanced_accuracy": "balanced accuracy (mean recall of the seven)",
    "accuracy": "accuracy",
    "macro_auc": "macro AUC",
    "malignant_auc": "malignant against benign, AUC",
    "melanoma_auc": "melanoma against the rest, AUC",
}

_CALIBRATION = {
    "ece": "expected calibration error of the most probable class",
    "malignant_ece": "expected calibration error of P(malignant)",
    "malignant_calibration_in_the_large": "mean P(malignant) minus the share of malignant images",
}
_EXTERNAL = {
    "ham10000": "HAM10000",
    "isic2017": "ISIC 2017, never trained on",
    "isic2020": "ISIC 2020",
    "milk10k": "MILK10k, all classes",
    "milk10k_seven": "MILK10k, seven diagnoses",
}

Figures = dict[str, Any]


def documents() -> dict[Path, str]:
    """Return the text of each document that holds figures of the shipped model."""
    bundle = Bundle.load(ROOT / "src" / "lesionlab" / "models" / "default")
    model = json.loads((RESULTS / "default_model.json").read_bytes())
    places = {title: RESULTS / f"{name}.json" for name, title in _EXTERNAL.items()}
    external = {title: read_external(place, bundle.info) for title, place in places.items() if place.exists()}
    found = {
        ROOT / "docs" / "model_card.md": render_card(bundle, list(external.values())),
        ROOT / "docs" / "model_card_appendix.md": render_appendix(bundle, list(external.values())),
    }
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = path.read_text(encoding="utf-8")
        if _BLOCK.search(text):
            found[path] = _BLOCK.sub(lambda block: block[1] + _TABLES[block[2]](model, external) + block[3], text)
    return found


def _overall(model: Figures, _external: Mapping[str, ExternalEvaluation]) -> str:
    rows = [(name, _estimate(model["overall"][key])) for key, name in _OVERALL.items()]
    rows += [(f"melanoma {name}", _estimate(model["per_class"]["mel"][name])) for name in ("recall", "precision")]
    if not model.get("by_confirmation"):  # otherwise in a table of its own
        histo = next(row for row in model["subgroups"] if (row["group"], row["value"]) == ("dx_type", "histo"))
        confirmed = f"malignant against benign among the {histo['n_images']:,} images confirmed by histopathology, AUC"
        rows += [(confirmed, _estimate(histo["malignant_auc"]))]
    rows += [(name, _estimate(model["overall"][key])) for key, name in _CALIBRATION.items() if key in model["overall"]]
    return _table(["", "value (95% interval by lesion)"], rows)


def _operating_points(model: Figures, _external: Mapping[str, ExternalEvaluation]) -> str:
    figures = ("sensitivity", "specificity", "ppv", "npv")
    rows = [
        [
            f"{point['name']} for {NOUNS['malignant']}",
            *(f"{point[name]:.3f}" for name in figures),
        ]
        for point in model["operating_points"]
        if point["target"] == "malignant"
    ]
    return _table(["threshold chosen on validation for", "sensitivity", "specificity", "PPV", "NPV"], rows)


def _sources(model: Figures, _external: Mapping[str, ExternalEvaluation]) -> str:
    """Return the tables by source and by confirmation, and the AUC within source; empty for a result without them."""
    rows = [row for row in map(WithinSourceAuc.model_validate, model.get("within_source_auc", ())) if row.differs]
    text = (
        f"**The pooled figures do not hold within one source.** {' '.join(row.sentence for row in rows)}\n\n"
        if rows
        else ""
    )
    for heading, key in (("source", "by_source"), ("confirmed by", "by_confirmation")):
        groups = [GroupMetrics.model_validate(row) for row in model.get(key, ())]
        table = [
            [
                DX_TYPES.get(group.value, group.value),
                f"{group.n_images:,}",
                f"{group.n_positive:,}",
                _estimate(group.auc),
            ]
            + [
                _estimate(figure)
                for point in group.operating_points
                if (point.name, point.target) == _THRESHOLD
                for figure in (point.sensitivity, point.specificity)
            ]
            for group in groups
        ]
        header = [heading, "images", "malignant", "malignant AUC", "sensitivity", "specificity"]
        text += _table(header, table) + "\n" if groups else ""
    if text:
        text += f"Sensitivity and specificity at the threshold for {_THRESHOLD[0]} for {NOUNS[_THRESHOLD[1]]}.\n"
    return text


def _external_datasets(_model: Figures, external: Mapping[str, ExternalEvaluation]) -> str:
    rows = []
    for title, other in external.items():
        target = next(iter(other.task_labels.targets))
        within = [row.within_source for row in other.within_source_auc if row.target == target]
        at = [point for point in other.operating_points if (point.name, point.target) == (_THRESHOLD[0], target)]
        cells = [
            _estimate(figure)
            for figure in (other.overall["balanced_accuracy"], other.overall[f"{target}_auc"], *within)
        ]
        cells += [] if within else ["not measured"]
        cells += [_of_point(point, name) for point in at for name in ("sensitivity", "specificity")]
        rows.append([title, NOUNS[target], f"{other.n_images:,}", *cells])
    header = [
        "dataset",
        "target",
        "images",
        "balanced accuracy",
        "AUC",
        "AUC within source",
        "sensitivity",
        "specificity",
    ]
    note = f"Sensitivity and specificity at the threshold for {_THRESHOLD[0]}, chosen on the model's validation set."
    return f"{_table(header, rows)}\n{note}\n"


_TABLES: dict[str, Callable[[Figures, Mapping[str, ExternalEvaluation]], str]] = {
    "overall": _overall,
    "operating-points": _operating_points,
    "sources": _sources,
    "external": _external_datasets,
}


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines).replace("|  |", "| |")


def _of_point(point: ExternalPoint, name: str) -> str:
    low, high = point.intervals.get(name, (None, None))
    return _estimate(Estimate(value=getattr(point, name), low=low, high=high))


def _estimate(figure: Estimate | Figures) -> str:
    return estimate(Estimate.model_validate(dict(figure)), leaky=False)


if __name__ == "__main__":
    for place, content in documents().items():
        place.write_text(content, encoding="utf-8")
