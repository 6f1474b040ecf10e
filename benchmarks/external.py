"""Evaluation of a model on HAM10000, ISIC 2017, ISIC 2020 and MILK10k in one table.

    python benchmarks/external.py --data FOLDER [--model BUNDLE] [--store] [--out FILE]

FOLDER holds `ham10000`, with the metadata of Harvard Dataverse as `HAM10000_metadata_dataverse.csv`, and `isic2017`,
`isic2020` and `milk10k` in their official layouts. `lesionlab evaluate` leaves out the images that the model was fitted
to. Images and lesions that are also in HAM10000 are left out of the other datasets: those in
`isic2020/images_in_ham10000.csv` and `milk10k/lesions_in_ham10000.csv`. Of MILK10k the dermoscopic images are used,
twice: with all eleven classes as malignant or benign, and the lesions of HAM10000's seven diagnoses alone. The script
writes a manifest of each dataset, and calls `lesionlab evaluate`. Beside `--out` it writes the complete figures of each
dataset: `ham10000.json`, `isic2017.json`, `isic2020.json`, `milk10k.json`, `milk10k_seven.json`.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from common import command, environment, options, write

from lesionlab.data import Manifest, images_of_task, read_dataset
from lesionlab.data.readers.table import read_table
from lesionlab.files import write_json
from lesionlab.taxonomy import DIAGNOSIS


def isic2020(root: Path) -> Manifest:
    """Return the images as melanoma or not, without those of HAM10000.

    Lesions are unknown; the images of a patient are correlated, so the patient takes their place in the intervals.
    """
    seen = _first_column(root / "images_in_ham10000.csv")
    whole = read_dataset(root)
    coarse = (replace(r, diagnosis="mel" if r.diagnosis == "mel" else "other") for r in whole if r.image_id not in seen)
    return replace(whole, records=tuple(coarse))


def milk10k(root: Path) -> Manifest:
    """Return the dermoscopic images, without the lesions of HAM10000."""
    seen = _first_column(root / "lesions_in_ham10000.csv")
    whole = read_dataset(root)
    return whole.select(record.image_id for record in whole if record.lesion_id not in seen)


def _first_column(path: Path) -> set[str]:
    return {cells[0] for _, cells in read_table(path).rows}


def main() -> None:
    """Prepare the tables, evaluate, and write the results."""
    parser = options(__doc__, "data!", "model", "out")
    parser.add_argument("--store", action="store_true", help="add the figures to the bundle")
    arguments = parser.parse_args()
    data: Path = arguments.data
    milk = milk10k(data / "milk10k")
    ham = data / "ham10000"
    datasets = {
        "ham10000": read_dataset(ham, metadata=ham / "HAM10000_metadata_dataverse.csv"),
        "isic2017": read_dataset(data / "isic2017"),
        "isic2020": isic2020(data / "isic2020"),
        "milk10k": milk,
        "milk10k_seven": images_of_task(milk, DIAGNOSIS)[0],
    }
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        call = [sys.executable, "-m", "lesionlab", "evaluate", "--json", "--out", str(work / "out")]
        call += ["--model", str(arguments.model)] if arguments.model else []
        call += ["--store"] if arguments.store else []
        for name, manifest in datasets.items():
            manifest.save(work / f"{name}.csv")
            call += ["--data", str(manifest.root), "--metadata", str(work / f"{name}.csv")]
        done = subprocess.run(call, check=True, stdout=subprocess.PIPE)
        found = json.loads(done.stdout)
        for name, row in zip(datasets, found, strict=True) if arguments.out else ():
            complete = json.loads((work / "out" / row["folder"] / "metrics.json").read_bytes())
            write_json(arguments.out.with_name(f"{name}.json"), complete)
            row["folder"] = row["whole"]["value"] = name  # the file's name
    result = {
        "what": "Evaluation on the images of each dataset that the model was not fitted to; see benchmarks/external.py",
        "command": command(arguments),
        "environment": environment("lesionlab", "onnxruntime", "numpy", "pillow"),
        "datasets": found,
    }
    write(arguments, result)


if __name__ == "__main__":
    main()
