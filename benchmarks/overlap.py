"""Lesions of one dataset that another one holds under other identifiers.

    python benchmarks/overlap.py --data FOLDER --other FOLDER --listed CSV
        [--features FOLDER] [--checked CSV] [--pairs CSV] [--out FILE]

`--listed` has the columns `milk_lesion` and `ham_lesion`. `--checked` holds pairs that were compared by eye: the
columns `chosen`, how the pair was chosen, `first`, `second` and `same`, 1 or 0. `--pairs` writes the found pairs of
images as CSV, without pictures.
"""

import csv
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
from common import command, environment, options, write

from lesionlab.bundle import Bundle
from lesionlab.curation import ImageFeatures, describe_images, find_duplicates
from lesionlab.data import Manifest, read_dataset
from lesionlab.files import write_text


def features(name: str, manifest: Manifest, bundle: Bundle, cache: Path | None) -> ImageFeatures:
    path = None if cache is None else cache / f"{name}.npz"
    if path is not None and path.is_file():
        with np.load(path) as stored:
            return ImageFeatures(**{field.name: stored[field.name] for field in fields(ImageFeatures)})
    found = describe_images([manifest.location(record) for record in manifest], bundle)
    if path is not None:
        np.savez(path, **{field.name: getattr(found, field.name) for field in fields(found)})
    return found


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def main() -> None:
    parser = options(__doc__, "data!", "model", "features", "out")
    parser.add_argument("--other", type=Path, required=True, help="dataset to compare with")
    parser.add_argument("--listed", type=Path, required=True, help="lesions known to be in both")
    parser.add_argument("--checked", type=Path, help="pairs that were compared by eye")
    parser.add_argument("--pairs", type=Path, help="CSV file for the found pairs")
    arguments = parser.parse_args()
    bundle = Bundle.load(arguments.model)
    data, other = read_dataset(arguments.data), read_dataset(arguments.other)
    started = time.perf_counter()
    a, b = (features(m.root.name, m, bundle, arguments.features) for m in (data, other))
    described = time.perf_counter()
    found = find_duplicates(a, b)
    searched = time.perf_counter()
    pairs = [(data.records[p.first], other.records[p.second], p) for p in found]
    lesions = {(x.lesion_id, y.lesion_id) for x, y, _ in pairs}
    listed = {(row["milk_lesion"], row["ham_lesion"]) for row in rows(arguments.listed)}
    present = {record.lesion_id for record in data}, {record.lesion_id for record in other}
    listed = {(x, y) for x, y in listed if x in present[0] and y in present[1]}
    beyond = {x for x, _ in lesions} - {x for x, _ in listed}
    if arguments.pairs:
        lines = ["first,second,first_lesion,second_lesion,kind,matches,listed"]
        for x, y, p in pairs:
            known = (x.lesion_id, y.lesion_id) in listed
            lines.append(f'{x.image_id},{y.image_id},{x.lesion_id},{y.lesion_id},"{p.kind}",{p.matches},{known:d}')
        write_text(arguments.pairs, "\n".join(lines) + "\n")
    result = {
        "what": "lesions of a dataset that another one holds under other identifiers",
        "command": command(arguments),
        "versions": environment("numpy", "onnxruntime", "opencv-python-headless"),
        "images": [len(data), len(other)],
        "image pairs": len(pairs),
        "lesion pairs": len(lesions),
        "listed lesion pairs": len(listed),
        "listed lesion pairs found": len(listed & lesions),
        "share of listed lesion pairs found": len(listed & lesions) / len(listed),
        "lesions beyond the list": len(beyond),
        "kinds": {kind: sum(p.kind == kind for *_, p in pairs) for kind in sorted({p.kind for p in found})},
        "minutes of the description (0 from the cache)": round((described - started) / 60, 1),
        "minutes of the search": round((searched - described) / 60, 1),
    }
    best: dict[tuple[str, str], int] = {}
    for x, y, p in pairs:
        best[x.lesion_id, y.lesion_id] = max(p.matches, best.get((x.lesion_id, y.lesion_id), 0))
    new = sorted(lesions - listed, key=lambda names: -best[names])
    result["lesion pairs beyond the list"] = [[*names, best[names]] for names in new]
    if arguments.checked:
        checked = rows(arguments.checked)
        result["pairs compared by eye"] = {
            chosen: {
                "pairs": sum(row["chosen"] == chosen for row in checked),
                "of one lesion": sum(row["chosen"] == chosen and row["same"] == "1" for row in checked),
            }
            for chosen in dict.fromkeys(row["chosen"] for row in checked)
        }
    write(arguments, result)


if __name__ == "__main__":
    main()
