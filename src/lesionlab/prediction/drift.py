"""Whether new images are like those that a model was validated on: what they look like, and what it says of them."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from lesionlab.errors import DataError, UsageError
from lesionlab.metrics.arrays import FloatArray
from lesionlab.prediction.predictor import Predictor
from lesionlab.prediction.result import Failure

# A difference that is both sure and large enough to matter.
SURE, LARGE = 0.001, 0.1
# Of the population stability index: under 0.1 nothing, above 0.25 another population (Siddiqi, Credit Risk Scorecards).
STABLE, SHIFTED = 0.1, 0.25
FEWEST = 20


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Quantity(_Part):
    """One measure of the new images beside that of the validation images.

    Attributes:
        name: What was measured.
        median: Of the new images.
        usual: Median of the validation images.
        statistic: Kolmogorov and Smirnov's: the largest gap between the two distribution functions.
        p_value: Chance of such a gap if nothing had changed. Images of one lesion are alike, so it is too small where
            there are several of a lesion.
        drifted: Whether the gap is sure and large.
    """

    name: str
    median: float
    usual: float
    statistic: float
    p_value: float
    drifted: bool


class Drift(_Part):
    """How new images differ from those that the model was validated on.

    Attributes:
        bundle: The model.
        images: Number of new images that could be judged.
        failures: Number of files that could not.
        refused: Share of the new images that the model refused.
        quantities: Measures of the images and of the answers.
        answers: Share of each class among the answers.
        usual_answers: The same of the validation images.
        stability: Population stability index of the answers.
        drifted: Whether any quantity drifted, or the answers shifted.
    """

    bundle: str
    images: int
    failures: int
    refused: float
    quantities: tuple[Quantity, ...]
    answers: dict[str, float]
    usual_answers: dict[str, float]
    stability: float
    drifted: bool


def measure_drift(
    predictor: Predictor, places: Sequence[str], *, progress: Callable[[int, int], None] | None = None
) -> Drift:
    """Compare new images with those that a model was validated on.

    Args:
        predictor: The model.
        places: The new images; one that cannot be read is counted and left out.
        progress: Called after each image with the number done and the number in all.

    Raises:
        UsageError: The bundle does not hold what its validation images were like.
        DataError: There are fewer than 20 images to compare.
    """
    reference = predictor.bundle.reference
    usual = reference.usual if reference is not None else None
    if usual is None:
        raise UsageError(f"{predictor.info.identity} does not know what its images were like; export its run again")
    failures, rows, answers, refused = 0, [], [], 0
    for done, (prediction, measures) in enumerate(predictor.measured_many(places), start=1):
        if progress is not None:
            progress(done, len(places))
        if isinstance(prediction, Failure):
            failures += 1
            continue
        rows.append(measures)
        answers.append(prediction.top[0].diagnosis)
        refused += prediction.refusal is not None
    if len(rows) < FEWEST:
        raise DataError(f"{len(rows)} images could be judged; a comparison needs at least {FEWEST}")
    measured = np.array(rows)
    quantities = tuple(
        _compared(name, measured[:, index], quantiles, int(usual.images))
        for index, (name, quantiles) in enumerate(usual.quantiles.items())
    )
    classes = predictor.info.classes
    shares = np.array([answers.count(code) for code in classes]) / len(answers)
    stability = stability_index(shares, usual.answers.astype(np.float64), len(answers))
    return Drift(
        bundle=predictor.info.identity,
        images=len(rows),
        failures=failures,
        refused=refused / len(rows),
        quantities=quantities,
        answers=dict(zip(classes, shares.tolist(), strict=True)),
        usual_answers=dict(zip(classes, usual.answers.astype(float).tolist(), strict=True)),
        stability=stability,
        drifted=any(quantity.drifted for quantity in quantities) or stability > SHIFTED,
    )


def kolmogorov_smirnov(values: FloatArray, quantiles: FloatArray, images: int) -> tuple[float, float]:
    """Return the statistic and the asymptotic p-value of values against a distribution known by its quantiles.

    Args:
        values: [n].
        quantiles: Evenly spaced quantiles of the other sample, from its least to its greatest, [Q].
        images: Size of the other sample.
    """
    ordered = np.sort(values)
    levels = np.linspace(0, 1, len(quantiles))
    below, above = np.searchsorted(quantiles, ordered, "left"), np.searchsorted(quantiles, ordered, "right")
    # Between two quantiles the function is taken for a line; where several are equal it jumps.
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


def stability_index(shares: FloatArray, usual: FloatArray, images: int) -> float:
    """Return the population stability index of shares [C] against usual ones [C].

    As much as half a new image is added to each class on both sides, so that one that does not occur makes no infinity.

    Args:
        shares: Of the new images, [C].
        usual: Of the others, [C].
        images: Number of new images.
    """
    one, other = ((each + 0.5 / images) / (1 + 0.5 * len(each) / images) for each in (shares, usual))
    return float(((one - other) * np.log(one / other)).sum())


def _compared(name: str, values: FloatArray, quantiles: FloatArray, images: int) -> Quantity:
    statistic, p_value = kolmogorov_smirnov(values, quantiles.astype(np.float64), images)
    return Quantity(
        name=name,
        median=float(np.median(values)),
        usual=float(quantiles[len(quantiles) // 2]),
        statistic=statistic,
        p_value=p_value,
        drifted=p_value < SURE and statistic > LARGE,
    )
