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

from lesionlab.bundle import Bundle
from lesionlab.bundle.operating_points import NOUNS
from lesionlab.evaluation.card import read_external, render_appendix, render_card

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
_BLOCK = re.compile(r"(<!-- figures: ([\w-]+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)
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
    rows += [("expected calibration error", _estimate(model["overall"]["ece"]))]
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


_TABLES: dict[str, Callable[[Figures, Figures], str]] = {
    "overall": _overall,
    "operating-points": _operating_points,
}


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines).replace("|  |", "| |")


def _number(value: float) -> str:
    return f"{value:.3f}"


def _estimate(figure: dict[str, float]) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


if __name__ == "__main__":
    for place, content in documents().items():
        place.write_text(content, encoding="utf-8")
