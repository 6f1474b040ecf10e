"""Predict all images of a folder, write them to a CSV file, and read it.

python examples/predict_folder.py images/ predictions.csv
"""

import csv
import sys
from collections import Counter
from pathlib import Path

from lesionlab import RESEARCH_ONLY, Failure, Predictor

COLUMNS = ("image", "status", "p_malignant", "risk", "first", "first_probability", "prediction_set", "error")


def main(folder: str, table: str) -> None:
    """Predict the images of a folder.

    Args:
        folder: A folder, a zip archive or a pattern such as `'images/*.jpg'`.
        table: CSV file to write.
    """
    predictor = Predictor.load()
    with Path(table).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for result in predictor.predict_many(folder):
            if isinstance(result, Failure):
                writer.writerow({"image": result.image, "status": "failed", "error": result.error})
                continue
            row = result.model_dump(mode="json", include={"image", "status", "p_malignant", "risk"})
            if result.top:  # empty for an abstention
                row |= {"first": result.top[0].code, "first_probability": result.top[0].probability}
            if result.prediction_set:
                row["prediction_set"] = " ".join(result.prediction_set.codes)
            writer.writerow(row)

    with Path(table).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    print(f"{len(rows)} images: {dict(Counter(row['status'] for row in rows))}")
    predicted = [row for row in rows if row["status"] == "ok"]
    for row in sorted(predicted, key=lambda row: -float(row["p_malignant"]))[:10]:
        p_malignant, codes = float(row["p_malignant"]), row["prediction_set"]
        print(f"{row['image']}: P(malignant) {p_malignant:.1%}, cannot be ruled out: {codes}")
    print(RESEARCH_ONLY)


if __name__ == "__main__":
    main(*sys.argv[1:])
