"""Sensitivity on other lesions of thresholds chosen for a sensitivity by several rules.

    python benchmarks/operating_points.py --data FOLDER [--model BUNDLE] [--draws 2000] [--out FILE]

The validation set is split in halves by lesion repeatedly. Each rule chooses a threshold on one half, which is
measured on the other. A bundle's thresholds are chosen on twice as many lesions, so their spread is smaller by about
the square root of two. The test set is not read.
"""

from collections.abc import Callable

import numpy as np
from common import options, versions, write
from numpy.typing import NDArray
from own_split import own_split
from scipy.stats import norm

from lesionlab import Predictor
from lesionlab.bundle import Bundle
from lesionlab.metrics import choose_operating_point
from lesionlab.taxonomy import TASKS

Scores = NDArray[np.float64]
Rule = Callable[[Scores, NDArray[np.bool_], float], float]


def highest_threshold(scores: Scores, positive: NDArray[np.bool_], target: float) -> float:
    return choose_operating_point(target, positive, scores).threshold


def quantile(method: str) -> Rule:
    def rule(scores: Scores, positive: NDArray[np.bool_], target: float) -> float:
        return float(np.quantile(scores[positive], 1 - target, method=method))  # type: ignore[call-overload]

    return rule


def smoothed(scores: Scores, positive: NDArray[np.bool_], target: float) -> float:
    """Quantile of a normal kernel density on the log-odds, with Silverman's bandwidth."""
    odds = np.log(scores[positive] / (1 - scores[positive]))
    width = 1.06 * odds.std() * len(odds) ** -0.2
    grid = np.linspace(odds.min() - 3 * width, odds.max(), 2000)
    below = norm.cdf((grid[:, None] - odds) / width).mean(axis=1)
    return float(1 / (1 + np.exp(-np.interp(1 - target, below, grid))))


RULES: dict[str, Rule] = {
    "highest threshold with that sensitivity (shipped)": highest_threshold,
    "median-unbiased quantile": quantile("median_unbiased"),
    "Weibull quantile": quantile("weibull"),
    "smoothed distribution": smoothed,
}


def main() -> None:
    parser = options(__doc__, "data!", "model", "out")
    parser.add_argument("--draws", type=int, default=2000)
    arguments = parser.parse_args()
    bundle = Bundle.load(arguments.model)
    predictor, task = Predictor.load(bundle), TASKS[bundle.info.task]
    manifest, split = own_split(bundle, arguments.data)
    images = manifest.select(split.subsets()["validation"])
    logits = predictor.predict_logits([images.location(record) for record in images])
    probabilities = bundle.info.calibration.probabilities(logits)
    lesions = np.array([record.lesion_id for record in images])
    result = {
        "what": "sensitivity of thresholds on one half of the validation lesions, chosen on the other half",
        "command": "python benchmarks/operating_points.py --data FOLDER --out benchmarks/results/operating_points.json",
        "versions": versions("numpy", "onnxruntime", "scipy"),
        "bundle": bundle.info.identity,
        "images": len(images),
        "lesions": len(set(lesions)),
        "draws": arguments.draws,
        "targets": {},
    }
    for target, codes in task.targets.items():
        positive = np.isin([task.index(record.diagnosis) for record in images], [task.index(code) for code in codes])
        scores = probabilities[:, [task.classes.index(code) for code in codes]].sum(axis=1)
        result["targets"][target] = {
            f"{wanted:.2f}": halved(scores, positive, lesions, wanted, arguments.draws) for wanted in (0.90, 0.95)
        }
        for wanted, rows in result["targets"][target].items():
            for rule, row in rows.items():
                print(target, wanted, rule, row)
    write(arguments, result)


def halved(
    scores: Scores, positive: NDArray[np.bool_], lesions: NDArray[np.str_], target: float, draws: int
) -> dict[str, dict[str, float]]:
    """Return the mean and spread of the sensitivity, and the mean specificity, on the other half for each rule."""
    rng = np.random.default_rng(0)
    unique = np.unique(lesions)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in RULES}
    for _ in range(draws):
        own = np.isin(lesions, rng.permutation(unique)[: len(unique) // 2])
        for name, rule in RULES.items():
            predicted = scores >= rule(scores[own], positive[own], target)
            found[name].append((predicted[~own & positive].mean(), 1 - predicted[~own & ~positive].mean()))
    return {
        name: {
            "sensitivity": round(float(np.mean([each[0] for each in rows])), 4),
            "low": round(float(np.quantile([each[0] for each in rows], 0.025)), 4),
            "high": round(float(np.quantile([each[0] for each in rows], 0.975)), 4),
            "specificity": round(float(np.mean([each[1] for each in rows])), 4),
        }
        for name, rows in found.items()
    }


if __name__ == "__main__":
    main()
