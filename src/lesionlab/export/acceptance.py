"""Acceptance criteria for a converted model: accuracy, parity, latency and abstention against the FP32 graph."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lesionlab import RESEARCH_ONLY
from lesionlab.base_models import StrictModel
from lesionlab.bundle import BundleInfo, Reference
from lesionlab.bundle.features import ood_scores
from lesionlab.export.formats import Format
from lesionlab.export.measure import Measurements
from lesionlab.metrics import Estimate
from lesionlab.metrics.arrays import IntArray
from lesionlab.metrics.bootstrap import percentile_interval
from lesionlab.metrics.comparison import paired_bootstrap
from lesionlab.metrics.confusion import balanced_accuracy, confusion_matrix
from lesionlab.prediction.inference.tta import Session

MAX_ACCURACY_LOSS = 0.005  # of balanced accuracy on validation images
MAX_ABSTENTION_LOSS = 0.05  # of the share of out-of-distribution images on which the model abstains


class AcceptanceReport(StrictModel):
    """Comparison of a converted model with the FP32 graph in onnxruntime.

    Attributes:
        format: Name of the format.
        title: Title of the format for tables.
        scheme: Description of the conversion.
        bundle: Name of the FP32 model and the head of its graph's hash.
        computed_by: `runtime`, or `emulator` if the format's runtime does not exist on this system.
        images: Number of images compared.
        evaluated_on: Description of the images: the validation subset of a dataset, or synthetic images.
        fp32_balanced_accuracy: Balanced accuracy of the FP32 model; None on synthetic images.
        balanced_accuracy: Balanced accuracy of the converted model.
        loss: Balanced accuracy of the FP32 model minus that of the converted one, with its 95% interval by lesion.
        largest_difference: Largest difference of any probability of any image.
        agreement: Share of images with the same predicted class.
        fp32_abstained: Share of images that are out of distribution for the FP32 model, or not dermoscopic for a model
            with such a detector; None for a model with neither.
        abstained: Share for the converted model.
        fp32_abstained_out_of_distribution: Share of images with inverted colours that are out of distribution for the
            FP32 model.
        abstained_out_of_distribution: Share for the converted model.
        fp32_megabytes: Size of the FP32 graph.
        megabytes: Size of the converted model.
        fp32_milliseconds: Median latency of the FP32 model for one image.
        milliseconds: Median latency of the converted model; None without its runtime.
        latency: Median ratio of the two, from alternating runs, with its 95% interval.
        threads: Number of threads of both models.
        failures: Acceptance criteria that are not met; empty for an accepted model.
        slow: Whether latency is among them.
        notice: Limits of use.
    """

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
    fp32_abstained: float | None
    abstained: float | None
    fp32_abstained_out_of_distribution: float | None
    abstained_out_of_distribution: float | None
    fp32_megabytes: float
    megabytes: float
    fp32_milliseconds: float
    milliseconds: float | None
    latency: Estimate | None
    threads: int
    failures: tuple[str, ...] = ()
    slow: bool = False
    notice: str = RESEARCH_ONLY

    @property
    def passed(self) -> bool:
        """Whether the model meets all acceptance criteria."""
        return not self.failures

    @property
    def only_slow(self) -> bool:
        """Whether latency is the only criterion that the model does not meet."""
        return self.slow and len(self.failures) == 1

    @property
    def summary(self) -> str:
        """The comparison in one line."""
        parts = [
            f"same predicted class for {self.agreement:.1%} of {self.images} images ({self.evaluated_on})",
            f"probabilities within {self.largest_difference:.2g}",
        ]
        if self.balanced_accuracy is not None:
            parts.append(f"balanced accuracy {self.balanced_accuracy:.3f} (FP32: {self.fp32_balanced_accuracy:.3f})")
        parts.append(f"{self.megabytes:.1f} MB (FP32: {self.fp32_megabytes:.1f})")
        if self.computed_by != "runtime":
            parts.append("computed by an emulator, since the runtime does not exist on this system")
        return "; ".join(parts) + "."


@dataclass(frozen=True)
class ModelOutputs:
    """A model and its outputs for the images of a comparison.

    Attributes:
        info: Description of the model.
        reference: Reference statistics of its training images.
        images: Outputs for the images.
        out_of_distribution: Outputs for some of them with inverted colours.
        megabytes: Size of the graph.
    """

    info: BundleInfo
    reference: Reference | None
    images: Measurements
    out_of_distribution: Measurements
    megabytes: float

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Calibrated probabilities of the images, [N, C]."""
        return self.info.calibration.probabilities(self.images.logits.astype(np.float64))

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Index of the predicted class of each image, [N]."""
        predicted: NDArray[np.int64] = self.info.decision_rule.scores(self.probabilities).argmax(axis=1)
        return predicted

    def abstained(self, measured: Measurements) -> float | None:
        """Return the share of images that are not dermoscopic or out of distribution; None without such limits."""
        if self.info.dermoscopy is not None and measured.dermoscopic is not None:
            return float((measured.dermoscopic < self.info.dermoscopy.threshold).mean())
        space = self.reference.features if self.reference else None
        if space is None or not len(measured.features):
            return None
        return float((ood_scores(space, measured.features) > float(space.limit)).mean())


def compare(
    form: Format,
    scheme: str,
    fp32: ModelOutputs,
    converted: ModelOutputs,
    seconds: NDArray[np.float64],
    *,
    evaluated_on: str,
    threads: int,
    labels: NDArray[np.int64] | None = None,
    lesion_ids: Sequence[str] = (),
) -> AcceptanceReport:
    """Compare a converted model with the FP32 model.

    Args:
        form: Format of the converted model.
        scheme: Description of the conversion.
        fp32: The FP32 model in onnxruntime.
        converted: The converted model.
        seconds: Latency for one image, FP32 and converted, [rounds, 2]; see `time_alternately`.
        evaluated_on: Description of the images.
        threads: Number of threads of both models.
        labels: True class of each image, [N]; None for images without a diagnosis.
        lesion_ids: Lesion of each image.
    """
    accuracy = None
    if labels is not None:
        accuracy = paired_bootstrap(_BalancedAccuracy(labels, converted), _BalancedAccuracy(labels, fp32), lesion_ids)
    ratios = seconds[:, 1] / seconds[:, 0]
    draws = np.random.default_rng(0).integers(len(ratios), size=(1000, len(ratios)))
    low, high = percentile_interval(np.median(ratios[draws], axis=1))
    report = AcceptanceReport(
        format=form.name,
        title=form.title,
        scheme=scheme,
        bundle=fp32.info.identity,
        computed_by="runtime" if form.runs_here else "emulator",
        images=len(fp32.images.logits),
        evaluated_on=evaluated_on,
        fp32_balanced_accuracy=accuracy.b.value if accuracy else None,
        balanced_accuracy=accuracy.a.value if accuracy else None,
        loss=accuracy.difference if accuracy else None,
        largest_difference=float(np.abs(fp32.probabilities - converted.probabilities).max()),
        agreement=float((fp32.predicted == converted.predicted).mean()),
        fp32_abstained=fp32.abstained(fp32.images),
        abstained=converted.abstained(converted.images),
        fp32_abstained_out_of_distribution=fp32.abstained(fp32.out_of_distribution),
        abstained_out_of_distribution=converted.abstained(converted.out_of_distribution),
        fp32_megabytes=fp32.megabytes,
        megabytes=converted.megabytes,
        fp32_milliseconds=float(np.median(seconds[:, 0]) * 1e3),
        milliseconds=float(np.median(seconds[:, 1]) * 1e3) if form.runs_here else None,
        latency=Estimate(value=float(np.median(ratios)), low=low, high=high) if form.runs_here else None,
        threads=threads,
    )
    low_ratio = report.latency.low if report.latency is not None else None
    # Shown to be slower, and not only measured so once.
    report = report.model_copy(update={"slow": low_ratio is not None and low_ratio > form.max_latency})
    return report.model_copy(update={"failures": tuple(_failures(form, report))})


def time_alternately(
    fp32: Session, converted: Session, pixels: NDArray[np.uint8], rounds: int = 40, warm_up: int = 5
) -> NDArray[np.float64]:
    """Return the latency of two sessions for one image in seconds, [rounds, 2].

    The sessions run alternately, and their order changes from round to round, so that other load on the machine
    affects both alike.

    Args:
        fp32: The first session.
        converted: The second session.
        pixels: Images, uint8 [N, size, size, 3]; each round takes the next one.
        rounds: Number of measured rounds.
        warm_up: Number of rounds before them.
    """
    seconds = np.empty((warm_up + rounds, 2))
    for index in range(len(seconds)):
        image = pixels[index % len(pixels)][None]
        for column in (0, 1) if index % 2 else (1, 0):
            start = time.perf_counter()
            (fp32, converted)[column].logits(image)
            seconds[index, column] = time.perf_counter() - start
    return seconds[warm_up:]


class _BalancedAccuracy:
    """Balanced accuracy of a model's predictions for any weights of the images."""

    def __init__(self, labels: NDArray[np.int64], outputs: ModelOutputs) -> None:
        self._labels, self._predicted, self._classes = labels, outputs.predicted, len(outputs.info.classes)

    def __call__(self, weights: IntArray) -> NDArray[np.float64]:
        return balanced_accuracy(confusion_matrix(self._labels, self._predicted, self._classes, weights))


def _failures(form: Format, report: AcceptanceReport) -> list[str]:
    failures = []
    if report.loss is not None and report.loss.value is not None and report.loss.value > MAX_ACCURACY_LOSS:
        failures.append(f"balanced accuracy falls by {report.loss.value:.4f} (limit {MAX_ACCURACY_LOSS})")
    if form.max_difference is not None and report.largest_difference > form.max_difference:
        failures.append(f"a probability differs by {report.largest_difference:.4f} (limit {form.max_difference})")
    if report.slow and report.latency is not None:
        failures.append(f"latency is {report.latency.value:.2f} times that of FP32 (limit {form.max_latency})")
    before, after = report.fp32_abstained_out_of_distribution, report.abstained_out_of_distribution
    if before is not None and after is not None and before - after > MAX_ABSTENTION_LOSS:
        failures.append(
            f"{before - after:.0%} of out-of-distribution images are no longer detected "
            f"(limit {MAX_ABSTENTION_LOSS:.0%})"
        )
    return failures
