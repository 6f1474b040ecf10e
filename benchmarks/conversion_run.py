"""What the benchmarks of converted models share: the images to judge by, and going on from an earlier run."""

import argparse
import json
from pathlib import Path
from typing import Any

from lesionlab.bundle import Bundle
from lesionlab.data import draw_subset, read_dataset
from lesionlab.export.convert import Examination, examination


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what says which model is judged by what, with how many threads."""
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--images", type=int)
    parser.add_argument("--threads", type=int)


def images_to_judge_by(bundle: Bundle, arguments: argparse.Namespace) -> Examination:
    """Return the training and validation images, or with `--images` so many of the latter."""
    whole = examination(bundle.info, read_dataset(arguments.data))
    if not arguments.images:
        return whole
    drawn = draw_subset(whole.images, arguments.images, 0)
    return Examination(f"{arguments.images} images of the {whole.evaluated_on}", drawn, whole.train)


def found_before(result: dict[str, Any], subset: str, place: Path) -> dict[str, Any]:
    """Return what an earlier run of the same question found, by name.

    Args:
        result: The head of the result: bundle, images and versions.
        subset: Where in the result the findings stand.
        place: Where the earlier run wrote them.
    """
    if not place.exists():
        return {}
    earlier = json.loads(place.read_text(encoding="utf-8"))
    same = all(earlier.get(key) == result[key] for key in ("bundle", "evaluated_on", "versions"))
    return dict(earlier[subset]) if same else {}
