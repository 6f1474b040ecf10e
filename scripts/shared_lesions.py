#!/usr/bin/env python3
"""List the lesions that HAM10000 shares with MILK10k and ISIC 2020, as decisions for `lesionlab train`.

    python scripts/shared_lesions.py DATA OUT

DATA holds `ham10000` (metadata of Harvard Dataverse), `milk10k` with `lesions_in_ham10000.csv`, and `isic2020` with
`images_in_ham10000.csv`. Pairs of MILK10k that these lists lack come from `benchmarks/results/overlap_milk10k.json`.
Writes OUT/same_lesion.csv, and OUT/excluded.csv with the lesions of MILK10k that would join several of HAM10000: they
would change the split of HAM10000.
"""

import csv
import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from lesionlab.data import Manifest, read_dataset

ROOT = Path(__file__).resolve().parent.parent
OVERLAP = ROOT / "benchmarks" / "results" / "overlap_milk10k.json"


def main() -> None:
    """Read the lists and write the decisions."""
    data, out = map(Path, sys.argv[1:])
    ham, milk = read_dataset(data / "ham10000"), read_dataset(data / "milk10k", unknown="keep")
    milk_images, ham_images = images_of_lesions(milk), images_of_lesions(ham)
    further = json.loads(OVERLAP.read_bytes())["lesion pairs beyond the list"]
    of_milk = [*rows(data / "milk10k" / "lesions_in_ham10000.csv"), *((first, second) for first, second, _ in further)]
    of_isic = rows(data / "isic2020" / "images_in_ham10000.csv")

    excluded = joining([*of_milk, *of_isic], set(ham_images)) & milk_images.keys()
    pairs = [(image, lesion) for first, lesion in of_milk if first not in excluded for image in milk_images[first]]
    out.mkdir(parents=True, exist_ok=True)
    write(
        out / "same_lesion.csv",
        ("first", "second", "decision"),
        ((image, ham_images[lesion][0], "same lesion") for image, lesion in [*pairs, *of_isic]),
    )
    diagnoses = {record.lesion_id: record.diagnosis for record in milk}
    write(
        out / "excluded.csv",
        ("lesion_id", "given", "suggested", "decision"),
        ((lesion, diagnoses[lesion], "", "exclude") for lesion in sorted(excluded)),
    )


def joining(pairs: Iterable[tuple[str, str]], lesions: set[str]) -> set[str]:
    """Return the members of all groups that pairs form with more than one of some lesions."""
    group: dict[str, set[str]] = {}
    for first, second in pairs:
        joined = group.get(first, {first}) | group.get(second, {second})
        group.update(dict.fromkeys(joined, joined))
    return {member for member, joined in group.items() if len(joined & lesions) > 1}


def images_of_lesions(manifest: Manifest) -> dict[str, list[str]]:
    """Return the images of each lesion."""
    found: dict[str, list[str]] = defaultdict(list)
    for record in manifest:
        found[record.lesion_id].append(record.image_id)
    return found


def rows(path: Path) -> list[tuple[str, str]]:
    """Return the rows of a table of two columns, without its header."""
    with path.open(encoding="utf-8", newline="") as file:
        return [(first, second) for first, second in csv.reader(file)][1:]


def write(path: Path, header: Iterable[str], lines: Iterable[Iterable[str]]) -> None:
    """Write a table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(lines)


if __name__ == "__main__":
    main()
