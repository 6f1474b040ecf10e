"""Evaluation summary of a bundle (`evaluation.json`)."""

from typing import Literal

from pydantic import Field, model_validator

from lesionlab import RESEARCH_ONLY
from lesionlab.base_models import Sha256, StrictModel
from lesionlab.bundle.operating_points import NOUNS, OperatingPoint
from lesionlab.bundle.seen_images import SeenCounts
from lesionlab.data.groups import GroupBy
from lesionlab.metrics import Estimate
from lesionlab.taxonomy import Target

ROC_POINTS = 200


class RocPoint(StrictModel):
    """One point of a ROC curve."""

    fpr: float = Field(ge=0, le=1)
    tpr: float = Field(ge=0, le=1)


class Roc(StrictModel):
    """ROC curve of a class against the rest.

    Attributes:
        auc: Area under the curve through all thresholds.
        points: From (0, 0) to (1, 1), thinned; empty where the class, or the rest, has no image.
    """

    auc: Estimate
    points: tuple[RocPoint, ...] = Field(max_length=ROC_POINTS)


class ReliabilityBin(StrictModel):
    """Images whose most probable class has a similar probability.

    Attributes:
        confidence: Mean probability of that class.
        accuracy: Share of images where this class is correct.
        count: Number of images, at least 1.
    """

    confidence: float
    accuracy: float
    count: int = Field(ge=1)


class Epoch(StrictModel):
    """One epoch of the training; None for a figure that was not measured."""

    epoch: int
    train_loss: float | None
    validation_loss: float | None
    validation_balanced_accuracy: float | None


class Subgroup(StrictModel):
    """Images with a common property that the model does not use.

    Attributes:
        group: The property; `skin_tone` is estimated from the margin of the image where the data have no class.
        value: Its value: `female`, `40 to 59`, `trunk`, `histo`; `unknown` where not stated.
        balanced_accuracy: Mean recall over the classes that occur; None where it is not defined.
        malignant_auc: AUC of the main target; None where only positives or negatives occur.
    """

    group: GroupBy
    value: str
    n_images: int = Field(ge=1)
    n_lesions: int = Field(ge=1)
    balanced_accuracy: Estimate | None
    malignant_auc: Estimate | None


class GroupPoint(StrictModel):
    """An operating point on the images of one group; undefined without positives or without negatives.

    Attributes:
        name: Name of the operating point, unique together with `target`.
        target: The finding whose probability is compared.
        threshold: The decision is positive at or above it.
    """

    name: str
    target: Target
    threshold: float
    sensitivity: Estimate
    specificity: Estimate


class GroupMetrics(StrictModel):
    """Figures of the main target on the images of one source, or with one confirmation of the diagnosis.

    Attributes:
        value: The source, or the kind of confirmation (`histo`, `follow_up`); `unknown` where not stated.
        n_positive: Number of images of the target.
        auc: AUC of the target; undefined without positives or without negatives.
        ece: Expected calibration error of the target probability.
        operating_points: The model's thresholds on these images.
    """

    value: str
    n_images: int = Field(ge=1)
    n_lesions: int = Field(ge=1)
    n_positive: int = Field(ge=0)
    auc: Estimate
    ece: Estimate
    operating_points: tuple[GroupPoint, ...] = ()


class WithinSourceAuc(StrictModel):
    """AUC of a target over all pairs of images and over pairs of one source, on the images with a known source.

    A pooled AUC also ranks images of different sources. Where the sources differ in their share of positives, a model
    that recognises the source gains from these pairs; with images of one source only it does not.

    Attributes:
        target: The target.
        pooled: AUC over all pairs of a positive and a negative image.
        within_source: The same over pairs of one source: the AUC of each source, weighted by its number of pairs.
        source_only: AUC of the share of positives in the image's source as the score, without any image.
        difference: `pooled` minus `within_source`, with an interval from common resamples.
    """

    target: Target
    pooled: Estimate
    within_source: Estimate
    source_only: Estimate
    difference: Estimate

    @property
    def differs(self) -> bool:
        """Whether the 95% interval of the difference excludes 0."""
        low, high = self.difference.low, self.difference.high
        return low is not None and high is not None and not low <= 0 <= high

    @property
    def sentence(self) -> str:
        """The comparison in one sentence, for the first paragraph of a report."""
        return (
            f"AUC for {NOUNS[self.target]}: {_in_words(self.pooled)} over all images, {_in_words(self.within_source)} "
            f"between images of one source. The source alone, without any image, has {_in_words(self.source_only)}."
        )


class ExternalFigures(StrictModel):
    """Figures on another dataset than the model's own, without images that the model was fitted to.

    Attributes:
        dataset: Name of the dataset.
        date: Date of the evaluation, ISO 8601.
        target: The target that the labels of the dataset determine; `figures` are of this target.
        figures: Figures on all images.
        skin_tone: Figures by skin tone; empty where not measured.
    """

    dataset: str
    date: str
    target: Target
    figures: GroupMetrics
    skin_tone: tuple[Subgroup, ...] = ()


class SetCoverage(StrictModel):
    """Coverage of prediction sets.

    Attributes:
        kind: `marginal`, or `class-conditional`, with a threshold per class.
        diagnosis: Code of the class, or `all`.
        source: Source of the images; None for all sources.
        nominal_coverage: Coverage that the thresholds were chosen for.
        guaranteed: Whether this kind of set guarantees it for these images.
        covered: Share of the lesions whose sets hold the true class; the mean over several images of a lesion.
        mean_size: Mean number of classes in a set.
    """

    kind: Literal["marginal", "class-conditional"]
    diagnosis: str
    source: str | None = None
    nominal_coverage: float
    guaranteed: bool
    n_images: int = Field(ge=1)
    covered: Estimate
    mean_size: float


class SelectivePoint(StrictModel):
    """Figures on the share `coverage` of the images with the highest confidence scores.

    Attributes:
        deferred: Share of the images of a class that are not kept: by class, and for `malignant` and `benign` where
            these are not the classes.
    """

    coverage: float = Field(gt=0, le=1)
    accuracy: Estimate
    balanced_accuracy: Estimate
    deferred: dict[str, Estimate] = Field(default_factory=dict)


class NetBenefitPoint(StrictModel):
    """Net benefit at a threshold probability (decision curve analysis); treating nobody has net benefit 0.

    Attributes:
        model: True positives per image minus false positives weighted by the odds of the threshold.
        treat_all: The same for treating everybody.
    """

    threshold: float = Field(gt=0, lt=1)
    model: Estimate
    treat_all: float


class RobustnessPoint(StrictModel):
    """Figures on a sample of images under one corruption.

    Attributes:
        corruption: Its name; `none` for the original images.
        severity: From 1 to 5; 0 for the original images.
        n_images: Number of images, about as many of each class.
        balanced_accuracy: Mean recall over the classes that occur.
        auc: AUC of the main target.
        abstained: Share of images on which the model abstained.
    """

    corruption: str
    severity: int = Field(ge=0, le=5)
    n_images: int = Field(ge=1)
    balanced_accuracy: Estimate
    auc: Estimate
    abstained: float = Field(ge=0, le=1)


class EvaluationSummary(StrictModel):
    """The content of `evaluation.json`, written by `lesionlab evaluate` for the test set.

    Attributes:
        graph_sha256: Hash of the evaluated graph.
        unseen: Whether none of the lesions was used to fit, stop or calibrate the model.
        seen: Number of images that the model was fitted to; None if not searched for.
        leaky: Whether training and test may share lesions. Every figure is then too good.
        date: Date of the evaluation, ISO 8601.
        classes: Codes of the task's classes, in the order of the confusion matrix.
        support: Number of images of each class.
        confusion_matrix: Counts of images; rows are actual, columns predicted.
        overall: Metrics of all images by name.
        per_class: By class, then by name of the metric, each class against the rest.
        operating_points: The model's thresholds with their figures on these images, where defined.
        roc: By class, and `malignant` where the task has this target.
        reliability: Confidence and accuracy of the bins that hold an image.
        history: Training history by epoch; empty where unknown.
        prediction_sets: Coverage of the conformal sets.
        prediction_sets_by_source: The same for the images of each source; empty for a single source.
        selective: Selective prediction: figures without the images of lowest confidence.
        robustness: Figures under corruptions; empty where not measured.
        by_source: Figures by source of the image; empty where no source is known.
        by_confirmation: Figures by confirmation of the diagnosis; empty where unknown.
        within_source_auc: AUC by target, pooled and within source; empty with fewer than two sources.
        external: Figures on other datasets, added by `lesionlab evaluate --store`.
    """

    notice: str = RESEARCH_ONLY
    graph_sha256: Sha256
    dataset: str
    subset: str
    unseen: bool
    seen: SeenCounts | None = None
    leaky: bool
    date: str
    n_images: int = Field(ge=1)
    n_lesions: int = Field(ge=1)
    classes: tuple[str, ...]
    support: dict[str, int]
    confusion_matrix: tuple[tuple[int, ...], ...]
    overall: dict[str, Estimate]
    per_class: dict[str, dict[str, Estimate]]
    operating_points: tuple[OperatingPoint, ...]
    roc: dict[str, Roc]
    reliability: tuple[ReliabilityBin, ...]
    history: tuple[Epoch, ...] = ()
    prediction_sets: tuple[SetCoverage, ...] = ()
    prediction_sets_by_source: tuple[SetCoverage, ...] = ()
    selective: tuple[SelectivePoint, ...] = ()
    decision_curve: tuple[NetBenefitPoint, ...] = ()
    robustness: tuple[RobustnessPoint, ...] = ()
    subgroups: tuple[Subgroup, ...] = ()
    by_source: tuple[GroupMetrics, ...] = ()
    by_confirmation: tuple[GroupMetrics, ...] = ()
    within_source_auc: tuple[WithinSourceAuc, ...] = ()
    external: tuple[ExternalFigures, ...] = ()

    @model_validator(mode="after")
    def _matrix_is_of_the_classes(self) -> "EvaluationSummary":
        sides = {len(self.confusion_matrix), *map(len, self.confusion_matrix), len(self.support)}
        if sides != {len(self.classes)}:
            raise ValueError(f"the confusion matrix and the support are not those of {len(self.classes)} classes")
        return self


def _in_words(estimate: Estimate) -> str:
    if estimate.value is None:
        return "not defined"
    limits = "" if estimate.low is None or estimate.high is None else f" ({estimate.low:.3f} to {estimate.high:.3f})"
    return f"{estimate.value:.3f}{limits}"
