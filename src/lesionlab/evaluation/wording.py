"""Numbers as a reader meets them: the same digits, interval and mark of leakage wherever they stand."""

import math
from dataclasses import dataclass

from lesionlab.metrics import Estimate
from lesionlab.taxonomy import DIAGNOSIS, Task

LEAKY = "leaky"
UNDEFINED = "not defined"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a task looks for, in the words that sentences need.

    Attributes:
        positive: What a lesion that is looked for is called.
        negative: What another one is called.
        positives: Such lesions.
        negatives: The other lesions.
        others: The other lesions, in a word.
        found: Start of "... found (recall)".
        missed: The verdict on such a lesion that was called otherwise.
        disease: What is looked for, as a noun.
        answer: What the model gives: a diagnosis, or a class.
        answers: More than one of them.
    """

    positive: str
    negative: str
    positives: str
    negatives: str
    others: str
    found: str
    missed: str
    disease: str
    answer: str
    answers: str


def terms(task: Task) -> Terms:
    """Return the words for a task."""
    answer = ("class", "classes") if task.binary else ("diagnosis", "diagnoses")
    if task.tells_malignancy:
        found, missed = "Malignant", "Malignant called benign"
        lesions = ("malignant lesions", "benign lesions", "benign")
        return Terms("malignant", "benign", *lesions, found, missed, "malignancy", *answer)
    found, missed = "Melanomas", "Melanoma missed"
    lesions = ("melanomas", "other lesions", "others")
    return Terms("melanoma", "not melanoma", *lesions, found, missed, "melanoma", *answer)


MALIGNANCY = terms(DIAGNOSIS)


def number(value: float | None) -> str:
    """Return a share or an area with three decimals; in words where it is not defined (None or nan)."""
    return UNDEFINED if value is None or math.isnan(value) else f"{value:.3f}"


def interval(estimate: Estimate) -> str:
    """Return the 95% interval, empty where there is none."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{estimate.low:.3f} to {estimate.high:.3f}"


def short_estimate(estimate: Estimate, *, leaky: bool) -> str:
    """Return a value with its interval as a figure shows it, two decimals, marked where it is leaky."""
    if estimate.value is None:
        return UNDEFINED
    limits = "" if estimate.low is None or estimate.high is None else f" ({estimate.low:.2f} to {estimate.high:.2f})"
    return f"{estimate.value:.2f}{limits}" + (f" {LEAKY}" if leaky else "")


def out_of_100(estimate: Estimate, *, leaky: bool) -> str:
    """Return a share as a count out of 100 with its interval, for a sentence; empty where it is not defined."""
    if estimate.value is None:
        return ""
    limits = ""
    if estimate.low is not None and estimate.high is not None:
        limits = f" (95% interval {100 * estimate.low:.0f} to {100 * estimate.high:.0f})"
    return f"about {100 * estimate.value:.0f}" + limits + (f" [{LEAKY}]" if leaky else "")


def counted(count: int, singular: str) -> str:
    """Return `1 image`, `1,503 images`."""
    return f"{count:,} {singular}" + ("" if count == 1 else "s")
