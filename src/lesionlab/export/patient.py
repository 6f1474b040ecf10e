"""Effects of age, sex and anatomical site on class probabilities: ratios from training, strength from validation."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.model_selection import GroupKFold

from lesionlab.bundle import Patient, PatientEffects, Site
from lesionlab.data import ImageRecord
from lesionlab.metrics.calibration import negative_log_likelihood
from lesionlab.taxonomy import Task

_AGES = np.arange(0.0, 91.0, 5.0)
_AGE_SPREAD = 7.5  # years: HAM10000 gives ages in steps of five
# Pseudo-count: each class gets so many lesions with the values of all classes, which shrinks the ratios of classes
# with few lesions.
_PRIOR_LESIONS = 10.0
_MIN_LESIONS_PER_SITE = 20
_FOLDS = 5
_MAX_STRENGTH = 2.0


def patient_of(record: ImageRecord) -> Patient:
    """Return the patient data of an image; unknown values are left out."""
    return Patient(
        age=record.age if record.age is not None and 0 <= record.age <= 120 else None,
        sex="female" if record.sex == "female" else "male" if record.sex == "male" else None,
        site=Site.named(record.site or ""),
    )


def fit_patient_effects(
    train: Sequence[ImageRecord],
    validation: Sequence[ImageRecord],
    probabilities: NDArray[np.float64],
    task: Task,
) -> PatientEffects | None:
    """Fit the effects of patient data.

    Args:
        train: Training images; each lesion counts once.
        validation: Validation images.
        probabilities: Calibrated probabilities of the validation images without patient data, [N, C].
        task: The task of the model.

    Returns:
        The effects, or None if they do not lower the negative log likelihood in cross-validation on the validation
        lesions.
    """
    lesions = list({record.lesion_id: record for record in train}.values())
    patients = [patient_of(record) for record in validation]
    if not any(patient.given for patient in patients):
        return None
    ratios = _ratios(lesions, task, len(validation))
    labels = np.array([task.index(record.diagnosis) for record in validation])
    added = np.stack([np.broadcast_to(ratios.log_ratio(p), (len(task.classes),)) for p in patients])
    logs = np.log(np.maximum(probabilities, 1e-300))
    folds = min(_FOLDS, len({record.lesion_id for record in validation}))
    if folds < 2:
        return None
    held_out = np.empty(len(labels))
    groups = [record.lesion_id for record in validation]
    for fitted_on, others in GroupKFold(folds, shuffle=True, random_state=0).split(logs, labels, groups):
        strength = _strength(logs[fitted_on], added[fitted_on], labels[fitted_on])
        held_out[others] = -_log_likelihood(logs[others], added[others], labels[others], strength)
    without = float(negative_log_likelihood(labels, probabilities))
    strength = _strength(logs, added, labels)
    if held_out.mean() >= without or strength <= 0.01:
        return None
    return ratios.model_copy(
        update={
            "strength": round(strength, 4),
            "nll_without": round(without, 6),
            "nll_with": round(float(held_out.mean()), 6),
        }
    )


def _ratios(lesions: Sequence[ImageRecord], task: Task, images: int) -> PatientEffects:
    labels = np.array([task.index(record.diagnosis) for record in lesions])
    patients = [patient_of(record) for record in lesions]
    ages = np.array([np.nan if p.age is None else p.age for p in patients])
    # A Gaussian kernel around each age avoids gaps in classes with few lesions.
    kernel = np.exp(-0.5 * ((_AGES[None, :] - ages[:, None]) / _AGE_SPREAD) ** 2)
    kernel = np.where(np.isnan(kernel), 0.0, kernel / np.maximum(kernel.sum(axis=1, keepdims=True), 1e-12))
    sexes, sites = [p.sex for p in patients], [p.site for p in patients]
    known = [s for s in Site if s is not Site.UNKNOWN and sites.count(s) >= _MIN_LESIONS_PER_SITE]
    by_age = _log_ratios(kernel, labels, task)
    by_sex = _log_ratios(np.array([[s == value for value in ("female", "male")] for s in sexes], float), labels, task)
    by_site = _log_ratios(np.array([[s is value for value in known] for s in sites], float), labels, task)
    return PatientEffects(
        ages=tuple(_AGES.tolist()) if np.isfinite(ages).any() else (),
        age=_rows(by_age) if np.isfinite(ages).any() else (),
        sex=dict(zip(("female", "male"), _rows(by_sex), strict=True)) if any(sexes) else {},
        site={site.value: row for site, row in zip(known, _rows(by_site), strict=True)},
        strength=1.0,
        images=images,
        nll_without=0.0,
        nll_with=0.0,
    )


def _log_ratios(values: NDArray[np.float64], labels: NDArray[np.int64], task: Task) -> NDArray[np.float64]:
    """Return log p(value | class) - log p(value), [V, C].

    Args:
        values: Weight of each value for each lesion, [lesions, V].
        labels: Class of each lesion, [lesions].
        task: The task of the model.
    """
    if not values.size or not values.sum():
        return np.zeros((values.shape[1], len(task.classes)))
    overall = (values.sum(axis=0) + 1) / (values.sum() + values.shape[1])
    by_class = np.stack([values[labels == index].sum(axis=0) for index in range(len(task.classes))])
    given = (by_class + _PRIOR_LESIONS * overall) / (by_class.sum(axis=1, keepdims=True) + _PRIOR_LESIONS)
    ratios: NDArray[np.float64] = np.log(given / overall).T
    return ratios


def _rows(ratios: NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple((row.round(4) + 0.0).tolist()) for row in ratios)


def _strength(logs: NDArray[np.float64], added: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    found = minimize_scalar(
        lambda strength: -_log_likelihood(logs, added, labels, strength).mean(),
        bounds=(0, _MAX_STRENGTH),
        method="bounded",
    )
    return float(found.x)


def _log_likelihood(
    logs: NDArray[np.float64], added: NDArray[np.float64], labels: NDArray[np.int64], strength: float
) -> NDArray[np.float64]:
    scores = logs + strength * added
    highest = scores.max(axis=1, keepdims=True)
    total = highest[:, 0] + np.log(np.exp(scores - highest).sum(axis=1))
    likelihood: NDArray[np.float64] = scores[np.arange(len(labels)), labels] - total
    return likelihood
