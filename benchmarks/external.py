"""Evaluation of a model on ISIC 2017, ISIC 2020 and MILK10k in one table.

    python benchmarks/external.py --data FOLDER [--model BUNDLE] [--out FILE]

FOLDER holds `isic2017`, `isic2020` and `milk10k` in their official layouts. Images and lesions that are also in
HAM10000 are left out: those in `isic2020/images_in_ham10000.csv` and `milk10k/lesions_in_ham10000.csv`. Of MILK10k the
dermoscopic images are used, twice: with all eleven classes as malignant or benign, and the lesions of HAM10000's seven
diagnoses alone. The script joins the tables of each dataset into one, and calls `lesionlab evaluate`. Beside `--out` it
writes the complete figures of each dataset: `isic2017.json`, `isic2020.json`, `milk10k.json`, `milk10k_seven.json`.
"""

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from common import command, environment, options, write

from lesionlab.files import write_json
from lesionlab.taxonomy import parse_diagnosis

Row = dict[str, str]
# Classes of MILK10k beside the seven of HAM10000. SCCKA: squamous cell carcinoma and keratoacanthoma.
_COARSE = {"SCCKA": "malignant", "MAL_OTH": "malignant", "BEN_OTH": "benign", "INF": "benign"}


def _rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def _write_table(path: Path, rows: Iterable[Row]) -> Path:
    found = list(rows)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(found[0]))
        writer.writeheader()
        writer.writerows(found)
    return path


def isic2017(root: Path) -> list[Row]:
    """Return the images with `melanoma` yes or no."""
    return [
        {"image_id": row["image_id"], "melanoma": row["melanoma"], "age": row["age_approximate"], "sex": row["sex"]}
        for row in _rows(root / "isic2017_metadata.csv")
    ]


def isic2020(root: Path) -> list[Row]:
    """Return the images with malignant (melanoma) yes or no, without those of HAM10000.

    A lesion is unknown here; the images of a patient are correlated, so the patient takes its place in the intervals.
    """
    seen = {row["image_name"] for row in _rows(root / "images_in_ham10000.csv")}
    return [
        {
            "image_id": row["image_name"],
            "lesion_id": row["patient_id"],
            "melanoma": row["target"],
            "age": row["age_approx"],
            "sex": row["sex"],
            "site": row["anatom_site_general_challenge"],
        }
        for row in _rows(root / "ISIC_2020_Training_GroundTruth.csv")
        if row["image_name"] not in seen
    ]


def milk10k(root: Path) -> list[Row]:
    """Return the dermoscopic images, without the lesions of HAM10000."""
    seen = {row["milk_lesion"] for row in _rows(root / "lesions_in_ham10000.csv")}
    confirmed = {
        row["isic_id"]: row["diagnosis_confirm_type"] for row in _rows(root / "MILK10k_Training_Supplement.csv")
    }
    truth = {row.pop("lesion_id"): row for row in _rows(root / "MILK10k_Training_GroundTruth.csv")}
    return [
        {
            "image_id": row["isic_id"],
            "lesion_id": row["lesion_id"],
            "diagnosis": _diagnosis(truth[row["lesion_id"]]),
            "dx_type": "histo" if confirmed[row["isic_id"]] == "histopathology" else "clinical assessment",
            "age": row["age_approx"],
            "sex": row["sex"],
            "site": row["site"],
            "skin_tone": row["skin_tone_class"],
        }
        for row in _rows(root / "MILK10k_Training_Metadata.csv")
        if row["image_type"] == "dermoscopic" and row["lesion_id"] not in seen
    ]


def _diagnosis(one_hot: Row) -> str:
    (name,) = (name for name, value in one_hot.items() if float(value) == 1)
    return _COARSE.get(name) or parse_diagnosis(name) or name


def main() -> None:
    """Prepare the tables, evaluate, and write the results."""
    arguments = options(__doc__, "data!", "model", "out").parse_args()
    data: Path = arguments.data
    milk = milk10k(data / "milk10k")
    seven = [row for row in milk if row["diagnosis"] not in _COARSE.values()]
    tables = {
        "isic2017": ("isic2017", isic2017(data / "isic2017")),
        "isic2020": ("isic2020", isic2020(data / "isic2020")),
        "milk10k": ("milk10k", milk),
        "milk10k_seven": ("milk10k", seven),
    }
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        call = [sys.executable, "-m", "lesionlab", "evaluate", "--json", "--out", str(work / "out")]
        call += ["--model", str(arguments.model)] if arguments.model else []
        for name, (dataset, rows) in tables.items():
            table = _write_table(work / f"{name}.csv", rows)
            call += ["--data", str(data / dataset), "--metadata", str(table)]
        done = subprocess.run(call, check=True, stdout=subprocess.PIPE)
        found = json.loads(done.stdout)
        for name, row in zip(tables, found, strict=True) if arguments.out else ():
            complete = json.loads((work / "out" / row["folder"] / "metrics.json").read_bytes())
            write_json(arguments.out.with_name(f"{name}.json"), complete)
            row["folder"] = row["whole"]["value"] = name  # the file's name
    result = {
        "what": "Evaluation on datasets without a lesion of HAM10000; see benchmarks/external.py for what is left out",
        "command": command(arguments),
        "environment": environment("lesionlab", "onnxruntime", "numpy", "pillow"),
        "datasets": found,
    }
    write(arguments, result)


if __name__ == "__main__":
    main()
