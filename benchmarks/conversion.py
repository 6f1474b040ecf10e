"""Acceptance data and resumption, shared by the benchmarks of converted models."""

import argparse
import json
from pathlib import Path

from common import Result

from lesionlab.bundle import Bundle
from lesionlab.data import draw_subset, read_dataset
from lesionlab.export.convert import AcceptanceData, acceptance_data


def images_to_compare(bundle: Bundle, arguments: argparse.Namespace) -> AcceptanceData:
    """Return the training and validation images; with `--images`, a subset of the latter."""
    data = acceptance_data(bundle.info, read_dataset(arguments.data))
    if not arguments.images:
        return data
    drawn = draw_subset(data.images, arguments.images, 0)
    return AcceptanceData(f"{arguments.images} images of the {data.evaluated_on}", drawn, data.train)


def earlier_results(result: Result, key: str, path: Path) -> Result:
    """Return the results of an earlier run of the same benchmark; empty if bundle, images or versions differ.

    Args:
        result: The new result with its bundle, images and versions.
        key: Key of the results by name.
        path: File of the earlier run.
    """
    if not path.exists():
        return {}
    earlier = json.loads(path.read_text(encoding="utf-8"))
    same = all(earlier.get(name) == result[name] for name in ("bundle", "evaluated_on", "versions"))
    return dict(earlier[key]) if same else {}
