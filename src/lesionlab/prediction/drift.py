"""Drift detection: whether new images and their predictions differ from those of the validation set."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import astuple
from typing import Final

import numpy as np

from lesionlab.base_models import FrozenModel
from lesionlab.errors import DataError, UsageError
from lesionlab.metrics.arrays import FloatArray
from lesionlab.prediction.inference.session import IMAGES_PER_RUN
from lesionlab.prediction.predictor import Predictor
from lesionlab.results import Failure

# A difference counts if it is both significant and large.
SIGNIFICANCE: Final = 0.001
MIN_STATISTIC: Final = 0.1
# Population stability index: below 0.1 stable, above 0.25 another population (Siddiqi, Credit Risk Scorecards).
SHIFTED: Final = 0.25
MIN_IMAGES: Final = 20


class MeasureDrift(FrozenModel):
    """One measure of the new images compared with the validation images, with the medians of both.

    Attributes:
        name: The measure; see `lesionlab.bundle.DriftMeasures`.
        statistic: Kolmogorov-Smirnov statistic: the largest difference between the two distribution functions.
        p_value: Its p-value. It assumes independent images, so it is too small for several images of a lesion.
        drifted: Whether the difference is significant and large.
    """

    name: str
    median: float
    reference_median: float
    statistic: float
    p_value: float
    drifted: bool


class Drift(FrozenModel):
    """New images compared with the validation images of a model.

    Attributes:
        failures: Number of unreadable files.
        abstained: Share of the new images on which the model abstained.
        class_shares: Share of each class among the balanced predictions.
        reference_class_shares: The same for the validation images.
        stability_index: Population stability index of the class shares.
        drifted: Whether any measure drifted, or the class shares shifted.
    """

    model: str
    images: int
    failures: int
    abstained: float
    measures: tuple[MeasureDrift, ...]
    class_shares: dict[str, float]
    reference_class_shares: dict[str, float]
    stability_index: float
    drifted: bool


def measure_drift(
    predictor: Predictor, images: Sequence[str], *, progress: Callable[[int, int], None] | None = None
) -> Drift:
    """Compare new images with the validation images of a model.

    Args:
        predictor: The model.
        images: Paths of the new images; unreadable ones are counted and left out.
        progress: Called after each image with the number done and the number in all.

    Raises:
        UsageError: The bundle has no statistics of its validation images.
        DataError: There are fewer than 20 readable images.
    """
    reference = predictor.bundle.reference
    validation = reference.validation if reference is not None else None
    if validation is None:
        raise UsageError(f"{predictor.info.identity} has no statistics of its validation images; export its run again")
    info, rows, failures, abstained = predictor.info, [], 0, 0
    predicted: Counter[str] = Counter()
    for done, result in enumerate(predictor.pipeline.measure_many(images, IMAGES_PER_RUN), start=1):
        if progress is not None:
            progress(done, len(images))
        if isinstance(result, Failure):
            failures += 1
            continue
        prediction, measures = result
        rows.append(astuple(measures))
        scores = info.decision_rule.scores(np.array(list(prediction.probabilities.values())))
        predicted[info.classes[int(scores.argmax())]] += 1
        abstained += prediction.abstained
    if len(rows) < MIN_IMAGES:
        raise DataError(f"{len(rows)} images could be read; drift detection needs at least {MIN_IMAGES}")
    measured = np.array(rows)
    compared = tuple(
        _compared(name, measured[:, index], quantiles, int(validation.images))
        for index, (name, quantiles) in enumerate(validation.quantiles.items())
    )
    shares = np.array([predicted[code] for code in info.classes]) / len(rows)
    index = stability_index(shares, validation.class_shares.astype(np.float64), len(rows))
    return Drift(
        model=info.identity,
        images=len(rows),
        failures=failures,
        abstained=abstained / len(rows),
        measures=compared,
        class_shares=dict(zip(info.classes, shares.tolist(), strict=True)),
        reference_class_shares=dict(zip(info.classes, validation.class_shares.astype(float).tolist(), strict=True)),
        stability_index=index,
        drifted=any(measure.drifted for measure in compared) or index > SHIFTED,
    )


def kolmogorov_smirnov(values: FloatArray, quantiles: FloatArray, images: int) -> tuple[float, float]:
    """Return the Kolmogorov-Smirnov statistic and its asymptotic p-value against a distribution of known quantiles.

    Args:
        values: [n].
        quantiles: Evenly spaced quantiles of the other sample, from its least to its greatest, [Q].
        images: Size of the other sample.
    """
    ordered = np.sort(values)
    levels = np.linspace(0, 1, len(quantiles))
    below, above = np.searchsorted(quantiles, ordered, "left"), np.searchsorted(quantiles, ordered, "right")
    # The distribution function is interpolated between quantiles; it jumps where several are equal.
    rising = np.interp(ordered, quantiles, levels)
    before = np.where(above > below, levels[np.minimum(below, len(levels) - 1)], rising)
    after = np.where(above > below, levels[np.maximum(above - 1, 0)], rising)
    steps = np.arange(len(ordered) + 1) / len(ordered)
    statistic = float(max((steps[1:] - after).max(), (before - steps[:-1]).max(), 0.0))
    effective = math.sqrt(len(values) * images / (len(values) + images))
    scaled = (effective + 0.12 + 0.11 / effective) * statistic  # Stephens, J. Royal Statistical Society B 32, 1970
    if scaled < 0.3:
        return statistic, 1.0
    terms = [2 * (-1) ** (k - 1) * math.exp(-2 * (k * scaled) ** 2) for k in range(1, 101)]
    return statistic, min(1.0, max(0.0, math.fsum(terms)))


def stability_index(shares: FloatArray, reference: FloatArray, images: int) -> float:
    """Return the population stability index of shares [C] against reference shares [C].

    Half an image, of the number of new images, is added to each class on both sides, so that an absent class does not
    give infinity.
    """
    one, other = ((each + 0.5 / images) / (1 + 0.5 * len(each) / images) for each in (shares, reference))
    return float(((one - other) * np.log(one / other)).sum())


def _compared(name: str, values: FloatArray, quantiles: FloatArray, images: int) -> MeasureDrift:
    statistic, p_value = kolmogorov_smirnov(values, quantiles.astype(np.float64), images)
    return MeasureDrift(
        name=name,
        median=float(np.median(values)),
        reference_median=float(quantiles[len(quantiles) // 2]),
        statistic=statistic,
        p_value=p_value,
        drifted=p_value < SIGNIFICANCE and statistic > MIN_STATISTIC,
    )
