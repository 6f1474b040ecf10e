"""The shortcut test and the leak of a split by image of public datasets, as `lesionlab data report` measures them.

    python benchmarks/data_report.py --data FOLDER [--out FILE] [--docs docs/check_a_dataset.md] [--table FILE]

FOLDER contains `ham10000`, `milk10k`, `isic2017` and `isic2020`; those that are missing are left out. HAM10000 is read
with the metadata of Harvard Dataverse, which name the sources. `seconds` is the processor time on all cores.
"""

import argparse
import time

from common import Result, command, options, publish, versions

from lesionlab.curation.report import describe_dataset, main_findings, overview
from lesionlab.data import check_scan, scan_dataset

DATASETS = {"ham10000": "HAM10000_metadata_dataverse.csv", "milk10k": None, "isic2017": None, "isic2020": None}
NAMES = {"ham10000": "HAM10000", "milk10k": "MILK10k", "isic2017": "ISIC 2017", "isic2020": "ISIC 2020"}
COLUMNS = {"source": "source", "border": "border", "file": "file", "patient": "age, sex, site"}


def measure(arguments: argparse.Namespace) -> Result:
    results: Result = {}
    for name, table in DATASETS.items():
        folder = arguments.data / name
        if not folder.is_dir():
            continue
        start = time.process_time()
        scan = scan_dataset(folder, metadata=folder / table if table else None)
        data = describe_dataset(scan, check_scan(scan))
        results[name] = {
            "seconds": round(time.process_time() - start, 1),
            "images": data.check.images,
            "lesions": data.check.lesions,
            "unit": data.unit,
            "target": data.target,
            "positive": data.positive,
            "labelled": data.labelled,
            "measured": data.measured,
            "findings": [overview(data), *main_findings(data)],
            "leaks": [leak.model_dump() for leak in data.leaks],
            "shortcuts": [one.model_dump() for one in data.shortcuts],
        }
    return {"command": command(arguments), "versions": versions("numpy", "pillow"), "datasets": results}


def table(result: Result) -> str:
    lines = [
        f"| dataset | target | leak, 80/20 | {' | '.join(COLUMNS.values())} |",
        "|---|---|---|" + "---|" * len(COLUMNS),
    ]
    for name, data in result["datasets"].items():
        leak = next((f"{one['test_images']:.0%}" for one in data["leaks"] if one["training_share"] == 0.8), "not known")
        found = {one["property"]: one["auc"] for one in data["shortcuts"]}
        cells = [_cell(found[key]) for key in COLUMNS]
        lines.append(f"| {NAMES[name]} | {data['target']} | {leak} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(auc: Result | None) -> str:
    return "-" if auc is None else f"{auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})"


if __name__ == "__main__":
    publish("shortcuts", options(__doc__, "data", "out", "docs", "table").parse_args(), measure, table)
