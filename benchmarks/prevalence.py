"""Mean P(malignant) at a stated prevalence, on test images weighted to that prevalence.

    python benchmarks/prevalence.py --predictions FILE [--model BUNDLE] [--out FILE]

FILE is the `predictions.csv` of `lesionlab evaluate` for the model's own test set. If the prevalence correction is
right, the mean is the stated prevalence, within its interval by lesion. Only the weights of the images change.
"""

from pathlib import Path

import numpy as np
from common import command, options, versions, write

from lesionlab.bundle import Bundle
from lesionlab.evaluation.predictions_file import read_predictions
from lesionlab.metrics.bootstrap import lesion_weights, percentile_interval
from lesionlab.prediction.decision.prevalence import prior_shift
from lesionlab.taxonomy import TASKS

PREVALENCES = (0.01, 0.02, 0.05, 0.1)


def main() -> None:
    parser = options(__doc__, "model", "out")
    parser.add_argument("--predictions", type=Path, required=True)
    arguments = parser.parse_args()
    info, found = Bundle.load(arguments.model).info, read_predictions(arguments.predictions)
    task = TASKS[info.task]
    columns = [task.classes.index(code) for code in task.malignant]
    positive = np.isin(found.labels, columns)
    drawn = lesion_weights(found.lesion_ids, 1000, 0)

    def mean(prevalence: float) -> dict[str, float]:
        scores = prior_shift(info, {"malignant": prevalence}).applied(found.probabilities)[:, columns].sum(axis=1)

        def weighted(counts: np.ndarray) -> np.ndarray:
            groups = ((positive, prevalence), (~positive, 1 - prevalence))
            return np.asarray(sum(share * (counts[:, of] @ scores[of]) / counts[:, of].sum(1) for of, share in groups))

        low, high = percentile_interval(weighted(drawn))
        return {"value": float(weighted(np.ones((1, len(scores))))[0]), "low": low, "high": high}

    write(
        arguments,
        {
            "what": "Mean P(malignant) at a stated prevalence over the test images, weighted to that prevalence",
            "command": command(arguments),
            "versions": versions("numpy"),
            "bundle": info.identity,
            "images": len(positive),
            "mean": {f"{prevalence:g}": mean(prevalence) for prevalence in PREVALENCES},
        },
    )


if __name__ == "__main__":
    main()
