"""Small datasets with chosen metadata."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lesionlab.curation.report import DatasetDescription, describe_dataset
from lesionlab.data import check_scan, scan_dataset
from lesionlab.data.scan import Scan

COLUMNS = ("image_id", "lesion_id", "dx", "dx_type", "age", "sex", "localization", "dataset")


def write_dataset(folder: Path, rows: Iterable[dict[str, Any]], *, columns: tuple[str, ...] = COLUMNS) -> Path:
    """Write a table and one image of 16x12 pixels per row; `skin` is the colour of its border."""
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    table = []
    for number, row in enumerate(rows):
        values = {"image_id": f"image{number:04d}", "lesion_id": f"lesion{number:04d}", "dx": "nv", **row}
        pixels = random.integers(60, 90, (12, 16, 3)) + random.integers(0, 40, (12, 16, 1))
        pixels[[0, -1]] = pixels[:, [0, -1]] = values.pop("skin", 120) + random.integers(-9, 9, 3)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{values['image_id']}.png")
        table.append({name: value for name, value in values.items() if name in columns})
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        writer.writerows(table)
    return folder


def describe(folder: Path, sample: int = 3000) -> tuple[Scan, DatasetDescription]:
    """Read, check and describe a dataset."""
    scan = scan_dataset(folder)
    return scan, describe_dataset(scan, check_scan(scan, workers=1), sample=sample)
