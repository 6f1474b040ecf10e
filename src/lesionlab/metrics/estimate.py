"""A metric with its interval: from the bootstrap by lesion, or exact where the bootstrap has no spread.

The bootstrap of three correct predictions is three correct predictions: its interval has no width, although three
lesions show little. A metric that is the same in all resamples therefore gets an exact interval. Where none is known,
as for average precision, it has no interval.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import field_validator

from lesionlab.base_models import StrictModel
from lesionlab.metrics.arrays import BoolArray, FloatArray
from lesionlab.metrics.bootstrap import percentile_interval

Interval = tuple[float, float]
NO_INTERVAL: Interval = (math.nan, math.nan)

# Resamples that differ only by rounding errors have no spread.
_ROUNDING = 1e-12


class Estimate(StrictModel):
    """A metric and its 95% interval; None (JSON null) where undefined."""

    value: float | None
    low: float | None
    high: float | None

    @classmethod
    def from_resamples(cls, value: float, drawn: FloatArray, exact: Interval = NO_INTERVAL) -> "Estimate":
        """Return a metric with its interval.

        Args:
            value: The metric.
            drawn: Its values in the resamples, [B]. The interval is their percentile interval.
            exact: The interval where the values in all resamples are equal; see `exact_interval`.
        """
        low, high = percentile_interval(drawn)
        if high - low <= _ROUNDING:
            low, high = exact
        return cls(value=value, low=low, high=high)

    @field_validator("value", "low", "high")
    @classmethod
    def _nan_is_none(cls, value: float | None) -> float | None:
        return None if value is None or math.isnan(value) else value


def exact_interval(
    value: float, trials: int, *, lowest: float = 0.0, highest: float = 1.0, level: float = 0.95
) -> Interval:
    """Return the interval of a mean that has the same value in each of n independent trials.

    The share of the population with another value is at most 1 - (alpha / 2)^(1 / n), the exact upper limit for no
    event in n trials (Clopper and Pearson, Biometrika 26, 404-413, 1934; Hanley and Lippman-Hand, JAMA 249, 1743-1745,
    1983). Its values lie between `lowest` and `highest`. For n correct of n this is the interval of Clopper and
    Pearson.

    A trial is a lesion; several images of one lesion are one trial. For an area under the ROC curve it is a pair of a
    positive and a negative lesion: the area is the probability that such a pair is in the right order, and
    min(positive lesions, negative lesions) pairs without a common lesion are independent (Birnbaum, Proc. Third
    Berkeley Symposium 1, 13-17, 1956).

    Args:
        value: The mean; nan gives no interval.
        trials: Number of independent trials, see `count_trials`; 0 gives no interval.
        lowest: Lowest possible value of a trial.
        highest: Highest possible value of a trial.
        level: Confidence level.

    Example:
        >>> low, high = exact_interval(1.0, trials=3)
        >>> round(low, 3), high
        (0.292, 1.0)
    """
    if trials < 1 or math.isnan(value):
        return NO_INTERVAL
    others = 1 - ((1 - level) / 2) ** (1 / trials)
    return value + others * (lowest - value), value + others * (highest - value)


def exact_f1_interval(value: float, lesions: int) -> Interval:
    """Return the interval of an F1 that is the same in all resamples.

    F1 is 2J / (1 + J) with J the share of correct predictions among the lesions that belong to the class or are
    predicted as it.
    """
    low, high = exact_interval(value / (2 - value), lesions)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def mean_interval(intervals: Sequence[Interval], weights: npt.ArrayLike | None = None) -> Interval:
    """Return the interval of a mean over classes from the exact intervals of the classes.

    The mean of the limits is conservative: if no class has an event, the simultaneous confidence region of all shares
    in `exact_interval` lies within the limits of the single classes. Classes without an interval are left out.
    """
    limits = np.array(intervals, dtype=np.float64).reshape(-1, 2)
    defined = ~np.isnan(limits[:, 0])
    shares = np.ones(len(limits)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not shares[defined].sum():
        return NO_INTERVAL
    low, high = np.average(limits[defined], axis=0, weights=shares[defined])
    return float(low), float(high)


def count_lesions(lesions: npt.ArrayLike, members: BoolArray | None = None) -> int:
    """Return the number of lesions of the images, [N], or of those in a mask, [N]."""
    of_images = np.asarray(lesions)
    return len(np.unique(of_images if members is None else of_images[members]))


def count_trials(lesions: npt.ArrayLike, positive: BoolArray, predicted: BoolArray) -> dict[str, int]:
    """Return the number of independent trials behind each metric of a class against the rest.

    Args:
        lesions: Lesion of each image, [N].
        positive: Whether each image belongs to the class, [N].
        predicted: Whether it is predicted as the class, [N].
    """
    of_positive, of_negative = count_lesions(lesions, positive), count_lesions(lesions, ~positive)
    return {
        "recall": of_positive,
        "specificity": of_negative,
        "precision": count_lesions(lesions, predicted),
        "npv": count_lesions(lesions, ~predicted),
        "f1": count_lesions(lesions, positive | predicted),
        "auc": min(of_positive, of_negative),
    }


def recall_intervals(labels: npt.ArrayLike, recalls: FloatArray, lesions: npt.ArrayLike) -> list[Interval]:
    """Return the exact interval of the recall of each class, [C], from the labels and lesions of the images, [N]."""
    of_class, of_images = np.asarray(labels), np.asarray(lesions)
    return [exact_interval(float(r), count_lesions(of_images, of_class == c)) for c, r in enumerate(recalls)]
