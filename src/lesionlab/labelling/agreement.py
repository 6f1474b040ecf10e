"""Agreement of readers with each other and with the model, and their accuracy where the truth is known."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np

from lesionlab import RESEARCH_ONLY
from lesionlab.base_models import StrictModel
from lesionlab.labelling.store import State
from lesionlab.metrics import Estimate, exact_interval, lesion_weights
from lesionlab.metrics.agreement import cohen_kappa, fleiss_kappa
from lesionlab.metrics.arrays import BoolArray, FloatArray, IntArray, weighted_mean
from lesionlab.taxonomy import diagnoses_of, is_of_target

_RESAMPLES = 1000

Values = Mapping[str, Mapping[str, str]]  # for each reader, the answer to each lesion


class Agreement(StrictModel):
    """Agreement of two readers (Cohen's kappa), or of several (Fleiss' kappa), on the lesions that all have read.

    Attributes:
        observed: Share of lesions on which all agree.
        by_class: Kappa of each answer against all others.
    """

    readers: tuple[str, ...]
    lesions: int
    observed: Estimate
    kappa: Estimate
    by_class: dict[str, Estimate]


class Accuracy(StrictModel):
    """Malignancy of a reader's diagnoses, or the model's, against the labels of the dataset.

    Attributes:
        aided: Whether the reader had seen the model's result; None for the model.
        lesions: Number of lesions with a diagnosis and a label of which the malignancy follows.
        undecided: Number of lesions with another answer, such as 'cannot tell'.
        seconds: Median time per lesion; None where unknown.
    """

    reader: str
    aided: bool | None
    lesions: int
    undecided: int
    sensitivity: Estimate
    specificity: Estimate
    seconds: float | None


class AgreementReport(StrictModel):
    """Agreement of all readers.

    Attributes:
        pairs: Each pair of readers with lesions in common, and each reader with the model.
        all_readers: All readers together; None for fewer than three, or without lesions in common.
        accuracy: One entry for each reader without and with the model's result, and for the model.
        notice: The research-only notice.
    """

    pairs: tuple[Agreement, ...]
    all_readers: Agreement | None = None
    accuracy: tuple[Accuracy, ...] = ()
    notice: str = RESEARCH_ONLY


def agreement_report(
    state: State, truth: Mapping[str, str] | None = None, model: Mapping[str, str] | None = None, name: str = "model"
) -> AgreementReport:
    """Return the agreement of the readers of a store, with 95% intervals from the bootstrap of lesions.

    Args:
        state: The state of the store.
        truth: Label of each lesion, one of `lesionlab.taxonomy.LABELS`, where it is known.
        model: Diagnosis by the model of each lesion.
        name: Name of the model.
    """
    values: dict[str, dict[str, str]] = {reader: {} for reader in state.readers}
    for reading in state.all_readings():
        values[reading.reader][reading.lesion] = reading.answer.value
    everyone = {**values, name: model} if model else values
    pairs = [found for pair in combinations(everyone, 2) if (found := measure_agreement(everyone, pair)) is not None]
    together = measure_agreement(values, tuple(values)) if len(values) > 2 else None
    return AgreementReport(
        pairs=tuple(pairs), all_readers=together, accuracy=tuple(_accuracies(state, truth or {}, model or {}, name))
    )


def measure_agreement(values: Values, readers: Sequence[str]) -> Agreement | None:
    """Return the agreement of some readers; None without lesions that all have read.

    Args:
        values: The answer of each reader to each lesion.
        readers: The readers, at least two.
    """
    lesions = sorted(set.intersection(*(set(values[reader]) for reader in readers)))
    if not lesions:
        return None
    classes = sorted({values[reader][lesion] for reader in readers for lesion in lesions})
    index = {code: place for place, code in enumerate(classes)}
    chosen = np.array([[index[values[reader][lesion]] for lesion in lesions] for reader in readers])
    weights = lesion_weights(lesions, _RESAMPLES, seed=0)
    same = (chosen == chosen[0]).all(axis=0)
    return Agreement(
        readers=tuple(readers),
        lesions=len(lesions),
        observed=_share(same, weights),
        kappa=_kappa(chosen, len(classes), weights),
        by_class={code: _kappa((chosen == place).astype(np.int64), 2, weights) for code, place in index.items()},
    )


def _kappa(chosen: IntArray, classes: int, weights: IntArray) -> Estimate:
    measure: Callable[[IntArray | None], FloatArray]
    if len(chosen) == 2:

        def measure(w: IntArray | None) -> FloatArray:
            return cohen_kappa(chosen[0], chosen[1], classes, w)
    else:
        counts = np.stack([(chosen == code).sum(axis=0) for code in range(classes)], axis=1)

        def measure(w: IntArray | None) -> FloatArray:
            return fleiss_kappa(counts, w)

    return Estimate.from_resamples(float(measure(None)), measure(weights))


def _accuracies(state: State, truth: Mapping[str, str], model: Mapping[str, str], name: str) -> Iterable[Accuracy]:
    malignant = {lesion: found for lesion, label in truth.items() if (found := _malignant(label)) is not None}
    for reader in state.readers:
        for aided in (False, True):
            held = [
                one
                for one in state.all_readings()
                if one.reader == reader and one.answer.prediction_shown is aided and one.lesion in malignant
            ]
            seconds = [one.answer.seconds for one in held if one.answer.seconds is not None]
            values = {one.lesion: one.answer.value for one in held}
            if values:
                yield _accuracy(reader, aided, values, malignant, float(np.median(seconds)) if seconds else None)
    read = {reading.lesion for reading in state.all_readings()}
    values = {lesion: code for lesion, code in model.items() if lesion in malignant and lesion in read}
    if values:
        yield _accuracy(name, None, values, malignant, None)


def _accuracy(
    reader: str, aided: bool | None, values: Mapping[str, str], malignant: Mapping[str, bool], seconds: float | None
) -> Accuracy:
    found = {lesion: _malignant(value) for lesion, value in values.items()}
    decided = sorted(lesion for lesion, one in found.items() if one is not None)
    positive = np.array([malignant[lesion] for lesion in decided], dtype=bool)
    called = np.array([found[lesion] is True for lesion in decided], dtype=bool)

    def share(right: BoolArray, of: BoolArray) -> Estimate:
        if not of.any():
            return Estimate(value=None, low=None, high=None)
        lesions = [lesion for lesion, held in zip(decided, of, strict=True) if held]
        return _share(right[of], lesion_weights(lesions, _RESAMPLES, seed=0))

    return Accuracy(
        reader=reader,
        aided=aided,
        lesions=len(decided),
        undecided=len(found) - len(decided),
        sensitivity=share(called, positive),
        specificity=share(~called, ~positive),
        seconds=seconds,
    )


def _share(right: BoolArray, weights: IntArray) -> Estimate:
    value = float(right.mean())
    return Estimate.from_resamples(value, weighted_mean(right, weights), exact_interval(value, len(right)))


def _malignant(label: str) -> bool | None:
    """Return whether a label is malignant; None for one that allows both, or for another answer."""
    if is_of_target(label, "malignant"):
        return True
    allowed = diagnoses_of(label)
    return False if allowed and not any(is_of_target(code, "malignant") for code in allowed) else None
