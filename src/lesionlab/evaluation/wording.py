"""Formatting of numbers and terms, the same in reports, cards and tables."""

import math
from dataclasses import dataclass

from lesionlab.metrics import Estimate
from lesionlab.taxonomy import DIAGNOSIS, Task

LEAKY = "leaky"
SEEN = "seen"
UNDEFINED = "not defined"


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms of a task for use in sentences.

    Attributes:
        positive: A lesion of the target.
        negative: Any other lesion.
        positives: Lesions of the target, plural.
        negatives: The other lesions, plural.
        others: The other lesions, short form.
        recall_label: Start of the axis label of the recall.
        missed: Label of a missed target.
        target: The target as a noun.
        classes: A class and the classes of the task.
    """

    positive: str
    negative: str
    positives: str
    negatives: str
    others: str
    recall_label: str
    missed: str
    target: str
    classes: tuple[str, str]


def terms(task: Task) -> Terms:
    """Return the terms of a task."""
    classes = ("class", "classes") if task.binary else ("diagnosis", "diagnoses")
    if task.tells_malignancy:
        lesions = ("malignant lesions", "benign lesions", "benign lesions")
        return Terms("malignant", "benign", *lesions, "Malignant lesions", "Missed malignancy", "malignancy", classes)
    lesions = ("melanomas", "other lesions", "others")
    return Terms("melanoma", "not melanoma", *lesions, "Melanomas", "Missed melanoma", "melanoma", classes)


MALIGNANCY = terms(DIAGNOSIS)


def number_word(count: int) -> str:
    """Return the number of a task's classes as a word."""
    return {2: "two", 7: "seven", 11: "eleven"}[count]


def task_in_words(task: Task) -> str:
    """Return what a task distinguishes: `seven diagnoses`, `malignant or benign`."""
    if task.of_diagnoses:
        return f"{number_word(len(task.classes))} diagnoses"
    return "malignant or benign" if task.tells_malignancy else "melanoma or not"


def view_in_words(classes: int, task: Task) -> str:
    """Return what the figures of a task are that has fewer diagnoses than a model; empty for the same number.

    Args:
        classes: The number of classes of the model.
        task: The evaluated task.
    """
    if not task.of_diagnoses or classes == len(task.classes):
        return ""
    seven = number_word(len(task.classes))
    return (
        f"The model has {number_word(classes)} classes. Probabilities and predicted classes are those of its "
        f"{seven}-class view, conditional on the {seven}; P(malignant) and thresholds are those of all "
        f"{number_word(classes)}."
    )


def number(value: float | None) -> str:
    """Return a value with three decimals, `not defined` for None or nan."""
    return UNDEFINED if value is None or math.isnan(value) else f"{value:.3f}"


def interval(estimate: Estimate) -> str:
    """Return the 95% interval; empty without one."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{estimate.low:.3f} to {estimate.high:.3f}"


def short_estimate(estimate: Estimate, *, mark: str = "") -> str:
    """Return a value with its interval for a figure: two decimals, and the mark behind it."""
    if estimate.value is None:
        return UNDEFINED
    limits = "" if estimate.low is None or estimate.high is None else f" ({estimate.low:.2f} to {estimate.high:.2f})"
    return f"{estimate.value:.2f}{limits}" + (f" {mark}" if mark else "")


def counted(count: int, singular: str) -> str:
    """Return `1 image`, `1,503 images`."""
    return f"{count:,} {singular}" + ("" if count == 1 else "s")
