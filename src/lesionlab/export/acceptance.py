"""Whether a converted model may be shipped: as right as the one it was made of, and as quick as it has to be."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import BundleInfo, Reference
from lesionlab.bundle.features import ood_scores
from lesionlab.export.formats import Format
from lesionlab.export.measure import Measured
from lesionlab.metrics import Estimate
from lesionlab.metrics.arrays import IntArray
from lesionlab.metrics.bootstrap import percentile_interval
from lesionlab.metrics.comparison import paired_bootstrap
from lesionlab.metrics.confusion import balanced_accuracy, confusion_matrix
from lesionlab.prediction.inference.tta import Session

# What may be lost of the mean recall over the classes, on validation images.
LARGEST_LOSS = 0.005
# Strange pictures that are refused, as a share of all: how much fewer they may become.
LARGEST_ABSTENTION_LOSS = 0.05


class AcceptanceReport(BaseModel):
    """A converted model beside the FP32 graph in onnxruntime that it was made of.

    Attributes:
        format: Name of the format.
        title: The same for tables.
        scheme: How it was made, in words.
        bundle: Name of the FP32 model and the head of its graph's hash.
        computed_by: `runtime`, or `stand-in` where the format's own does not exist on this system.
        images: Number of images compared.
        evaluated_on: What they are: the validation part of a dataset, or phantoms.
        fp32_balanced_accuracy: Of the FP32 model; None on phantoms, which say nothing of it.
        balanced_accuracy: Of this one.
        loss: FP32's minus this one's, with its 95 % interval by lesion.
        largest_difference: Of any probability of any image.
        agreement: Share of images that get the same answer.
        fp32_refused: Share of images that the FP32 model refuses as unlike its training images; None for a model
            that refuses none.
        refused: The same of this one.
        fp32_strange_refused: Share of the same pictures with inverted colours that the FP32 model refuses.
        strange_refused: The same of this one.
        fp32_megabytes: Size of the FP32 graph.
        megabytes: Size of this one.
        fp32_milliseconds: Median time of one image.
        milliseconds: The same of this one; None where its own runtime does not exist here.
        latency: The median ratio of the two, measured in turn, with its 95 % interval.
        threads: Threads that both computed with.
        failures: Why it is not shipped; none for one that is.
        notice: What it is not for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str
    title: str
    scheme: str
    bundle: str
    computed_by: str
    images: int
    evaluated_on: str
    fp32_balanced_accuracy: float | None
    balanced_accuracy: float | None
    loss: Estimate | None
    largest_difference: float
    agreement: float
    fp32_refused: float | None
    refused: float | None
    fp32_strange_refused: float | None
    strange_refused: float | None
    fp32_megabytes: float
    megabytes: float
    fp32_milliseconds: float
    milliseconds: float | None
    latency: Estimate | None
    threads: int
    failures: tuple[str, ...] = ()
    notice: str = RESEARCH_ONLY

    @property
    def passed(self) -> bool:
        """Whether the model may be shipped."""
        return not self.failures


@dataclass(frozen=True)
class ModelOutputs:
    """A model, and what it makes of the images that two are compared on.

    Attributes:
        info: Its description.
        reference: What its refusals rest on.
        images: What it makes of the images.
        strange: What it makes of some of them with inverted colours.
        megabytes: Size of its graph.
    """

    info: BundleInfo
    reference: Reference | None
    images: Measured
    strange: Measured
    megabytes: float

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Calibrated probabilities of the images, [N, C]."""
        return self.info.calibration.probabilities(self.images.logits.astype(np.float64))

    @property
    def answers(self) -> NDArray[np.int64]:
        """Index of the answer to each image, [N]."""
        answers: NDArray[np.int64] = self.info.decision_rule.scores(self.probabilities).argmax(axis=1)
        return answers

    def refused(self, measured: Measured) -> float | None:
        """Return the share of images that lie too far from the training images; None for a model that cannot say."""
        space = self.reference.features if self.reference else None
        if space is None or not len(measured.features):
            return None
        return float((ood_scores(space, measured.features) > float(space.limit)).mean())


def compare(
    form: Format,
    scheme: str,
    before: ModelOutputs,
    after: ModelOutputs,
    pairs: NDArray[np.float64],
    *,
    evaluated_on: str,
    threads: int,
    labels: NDArray[np.int64] | None = None,
    lesion_ids: Sequence[str] = (),
) -> AcceptanceReport:
    """Compare a converted model with the one that it was made of.

    Args:
        form: Its format.
        scheme: How it was made, in words.
        before: The FP32 model in onnxruntime.
        after: The converted one.
        pairs: Seconds for one image, FP32 and converted, [rounds, 2]; see `time_in_turn`.
        evaluated_on: What the images are.
        threads: Threads that both computed with.
        labels: True class of each image, [N]; None where the images have no diagnosis.
        lesion_ids: Lesion of each image.

    Returns:
        What was found, and in `failures` what speaks against shipping it.
    """
    accuracy = None
    if labels is not None:
        accuracy = paired_bootstrap(_mean_recall(labels, after), _mean_recall(labels, before), lesion_ids)
    ratios = pairs[:, 1] / pairs[:, 0]
    draws = np.random.default_rng(0).integers(len(ratios), size=(1000, len(ratios)))
    low, high = percentile_interval(np.median(ratios[draws], axis=1))
    found = AcceptanceReport(
        format=form.name,
        title=form.title,
        scheme=scheme,
        bundle=before.info.identity,
        computed_by="runtime" if form.runs_here else "stand-in",
        images=len(before.images.logits),
        evaluated_on=evaluated_on,
        fp32_balanced_accuracy=accuracy.b.value if accuracy else None,
        balanced_accuracy=accuracy.a.value if accuracy else None,
        loss=accuracy.difference if accuracy else None,
        largest_difference=float(np.abs(before.probabilities - after.probabilities).max()),
        agreement=float((before.answers == after.answers).mean()),
        fp32_refused=before.refused(before.images),
        refused=after.refused(after.images),
        fp32_strange_refused=before.refused(before.strange),
        strange_refused=after.refused(after.strange),
        fp32_megabytes=before.megabytes,
        megabytes=after.megabytes,
        fp32_milliseconds=float(np.median(pairs[:, 0]) * 1e3),
        milliseconds=float(np.median(pairs[:, 1]) * 1e3) if form.runs_here else None,
        latency=Estimate(value=float(np.median(ratios)), low=low, high=high) if form.runs_here else None,
        threads=threads,
    )
    return found.model_copy(update={"failures": tuple(_failures(form, found))})


def time_in_turn(
    before: Session, after: Session, pixels: NDArray[np.uint8], rounds: int = 40, warm_up: int = 5
) -> NDArray[np.float64]:
    """Return the seconds that two sessions take for one image, in turn, [rounds, 2].

    Whatever else the machine does meets both alike; who is first changes from round to round.

    Args:
        before: One session.
        after: The other.
        pixels: Images, uint8 [N, size, size, 3]; each round takes the next.
        rounds: Number of rounds that count.
        warm_up: Number of rounds before that.
    """
    seconds = np.empty((warm_up + rounds, 2))
    for index in range(len(seconds)):
        image = pixels[index % len(pixels)][None]
        for column in (0, 1) if index % 2 else (1, 0):
            start = time.perf_counter()
            (before, after)[column].logits(image)
            seconds[index, column] = time.perf_counter() - start
    return seconds[warm_up:]


class _MeanRecall:
    """Balanced accuracy of fixed answers, for any weights of the images."""

    def __init__(self, labels: NDArray[np.int64], answers: NDArray[np.int64], classes: int) -> None:
        self._labels, self._answers, self._classes = labels, answers, classes

    def __call__(self, weights: IntArray) -> NDArray[np.float64]:
        return balanced_accuracy(confusion_matrix(self._labels, self._answers, self._classes, weights))


def _mean_recall(labels: NDArray[np.int64], judged: ModelOutputs) -> _MeanRecall:
    return _MeanRecall(labels, judged.answers, len(judged.info.classes))


def _failures(form: Format, found: AcceptanceReport) -> list[str]:
    failures = []
    if found.loss is not None and found.loss.value is not None and found.loss.value > LARGEST_LOSS:
        failures.append(f"balanced accuracy falls by {found.loss.value:.4f} (limit {LARGEST_LOSS})")
    if form.largest_difference is not None and found.largest_difference > form.largest_difference:
        failures.append(f"a probability differs by {found.largest_difference:.4f} (limit {form.largest_difference})")
    if found.latency is not None and found.latency.value is not None and found.latency.value > form.slowest:
        failures.append(f"one image takes {found.latency.value:.2f} times as long (limit {form.slowest})")
    if found.strange_refused is not None and found.fp32_strange_refused is not None:
        missed = found.fp32_strange_refused - found.strange_refused
        if missed > LARGEST_ABSTENTION_LOSS:
            failures.append(
                f"{missed:.0%} of strange pictures are no longer refused (limit {LARGEST_ABSTENTION_LOSS:.0%})"
            )
    return failures
