#!/usr/bin/env python3
"""Write the shipped model's figures into the documentation: tables of README and docs, the model card, its appendix.

A table stands between `<!-- figures: NAME -->` and `<!-- end of figures -->`. Its figures come from
`benchmarks/results/default_model.json` and `isic2017.json`, those of the card from the bundle in the package.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from lesionlab.bundle import Bundle, GroupMetrics, WithinSourceAuc
from lesionlab.bundle.operating_points import NOUNS
from lesionlab.evaluation.card import read_external, render_appendix, render_card
from lesionlab.evaluation.tables import DX_TYPES
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

Figures = dict[str, Any]


def documents() -> dict[Path, str]:
    """Return the text of each document that holds figures of the shipped model."""
    model, isic2017 = (json.loads((RESULTS / name).read_bytes()) for name in ("default_model.json", "isic2017.json"))
    found = {}
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = path.read_text(encoding="utf-8")
        if _BLOCK.search(text):
            found[path] = _BLOCK.sub(lambda block: block[1] + _TABLES[block[2]](model, isic2017) + block[3], text)
    bundle = Bundle.load(ROOT / "src" / "lesionlab" / "models" / "default")
    external = [read_external(RESULTS / "isic2017.json", bundle.info)]
    found[ROOT / "docs" / "model_card.md"] = render_card(bundle, external)
    found[ROOT / "docs" / "model_card_appendix.md"] = render_appendix(bundle, external)
    return found


def _overall(model: Figures, isic2017: Figures) -> str:
    rows = [(name, _estimate(model["overall"][key])) for key, name in _OVERALL.items()]
    rows += [(f"melanoma {name}", _estimate(model["per_class"]["mel"][name])) for name in ("recall", "precision")]
    histo = next(row for row in model["subgroups"] if (row["group"], row["value"]) == ("dx_type", "histo"))
    confirmed = f"malignant against benign among the {histo['n_images']:,} images confirmed by histopathology, AUC"
    rows += [(confirmed, _estimate(histo["malignant_auc"]))]
    rows += [("expected calibration error of the most probable class", _estimate(model["overall"]["ece"]))]
    elsewhere = f"on ISIC 2017 ({isic2017['n_images']:,} images, other cameras): melanoma AUC"
    rows += [(elsewhere, _estimate(isic2017["overall"]["melanoma_auc"]))]
    return _table(["", "value (95% interval by lesion)"], rows)


def _operating_points(model: Figures, _isic2017: Figures) -> str:
    figures = ("sensitivity", "specificity", "ppv", "npv")
    rows = [
        [
            f"{100 * point['target_sensitivity']:g}% sensitivity for {NOUNS['malignant']}",
            *map(_number, map(point.get, figures)),
        ]
        for point in model["operating_points"]
        if point["target"] == "malignant"
    ]
    return _table(["threshold chosen on validation for", "sensitivity", "specificity", "PPV", "NPV"], rows)


def _sources(model: Figures, _isic2017: Figures) -> str:
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
            [DX_TYPES.get(group.value, group.value), f"{group.n_images:,}", f"{group.n_positive:,}", _known(group.auc)]
            + [
                _known(figure)
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


_TABLES: dict[str, Callable[[Figures, Figures], str]] = {
    "overall": _overall,
    "operating-points": _operating_points,
    "sources": _sources,
}


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines).replace("|  |", "| |")


def _number(value: float) -> str:
    return f"{value:.3f}"


def _known(figure: Estimate) -> str:
    return "not defined" if figure.value is None else _estimate(figure.model_dump())


def _estimate(figure: dict[str, float]) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


if __name__ == "__main__":
    for place, content in documents().items():
        place.write_text(content, encoding="utf-8")
