"""What `evaluation.json` says: how good the model is, on which images, and for whom."""

from typing import Literal

from pydantic import Field, model_validator

from lesionlab import RESEARCH_ONLY
from lesionlab.base_models import Sha256, StrictModel
from lesionlab.bundle.operating_points import OperatingPoint
from lesionlab.metrics import Estimate

ROC_POINTS = 200

GroupBy = Literal["sex", "age", "site", "dx_type", "source", "skin_tone"]


class RocPoint(StrictModel):
    """One threshold: the share of the others that it calls positive, and of those that it should."""

    fpr: float = Field(ge=0, le=1)
    tpr: float = Field(ge=0, le=1)


class Roc(StrictModel):
    """A class against the rest.

    Attributes:
        auc: Area under the curve through all thresholds.
        points: From (0, 0) to (1, 1), thinned to what a screen shows; empty where the class, or the rest, has no image.
    """

    auc: Estimate
    points: tuple[RocPoint, ...] = Field(max_length=ROC_POINTS)


class ReliabilityBin(StrictModel):
    """Images whose most probable class has a similar probability.

    Attributes:
        confidence: Mean probability of that class.
        accuracy: Share of images where it is the right one.
        count: Number of images, at least 1.
    """

    confidence: float
    accuracy: float
    count: int = Field(ge=1)


class Epoch(StrictModel):
    """One epoch of the training; None for what was not measured."""

    epoch: int
    train_loss: float | None
    validation_loss: float | None
    validation_balanced_accuracy: float | None


class Subgroup(StrictModel):
    """Images that have something in common which the model was not told.

    Attributes:
        group: What they have in common; `skin_tone` is estimated from the picture's margin.
        value: Its value: `female`, `40 to 59`, `trunk`, `histo`; `unknown` where it is not stated.
        n_images: Number of images.
        n_lesions: Number of lesions that they show.
        balanced_accuracy: Mean recall over the classes that occur; None where nothing could be measured.
        malignant_auc: What is looked for against the rest; None where only one of them occurs.
    """

    group: GroupBy
    value: str
    n_images: int = Field(ge=1)
    n_lesions: int = Field(ge=1)
    balanced_accuracy: Estimate | None
    malignant_auc: Estimate | None


class SetCoverage(StrictModel):
    """How often prediction sets held the true class.

    Attributes:
        kind: `marginal`, or `class-conditional`, which has a threshold for each class.
        diagnosis: Code of the class whose images were counted, or `all`.
        nominal_coverage: The coverage that the thresholds were chosen for.
        guaranteed: Whether this kind of set promises it for these images.
        n_images: Number of images.
        covered: Share of the lesions whose sets held the true class; of several images of one, the mean.
        mean_size: Mean number of classes in a set.
    """

    kind: Literal["marginal", "class-conditional"]
    diagnosis: str
    nominal_coverage: float
    guaranteed: bool
    n_images: int = Field(ge=1)
    covered: Estimate
    mean_size: float


class SelectivePoint(StrictModel):
    """Figures on the share `coverage` of the images whose answers are the most certain."""

    coverage: float = Field(gt=0, le=1)
    accuracy: Estimate
    balanced_accuracy: Estimate


class NetBenefitPoint(StrictModel):
    """Net benefit of acting at a probability of what is looked for: by the model, and on treat_all; on nobody it is 0.

    Attributes:
        threshold: The probability at which one thinks acting and not acting equally bad.
        model: True positives per image less false positives at the threshold's odds.
        treat_all: The same if every image is acted on.
    """

    threshold: float = Field(gt=0, lt=1)
    model: Estimate
    treat_all: float


class RobustnessPoint(StrictModel):
    """Figures on some images under one corruption.

    Attributes:
        corruption: Its name; `none` for the images as they are.
        severity: From 1 to 5; 0 for the images as they are.
        n_images: Number of images, about as many of each class.
        balanced_accuracy: Mean recall over the classes that occur.
        auc: What is looked for against the rest.
        abstained: Share of images on which the model abstained.
    """

    corruption: str
    severity: int = Field(ge=0, le=5)
    n_images: int = Field(ge=1)
    balanced_accuracy: Estimate
    auc: Estimate
    abstained: float = Field(ge=0, le=1)


class EvaluationSummary(StrictModel):
    """The whole of `evaluation.json`, written by `lesionlab evaluate` for the test part.

    Attributes:
        notice: What results are for.
        graph_sha256: The graph that was measured; a bundle with another one is refused.
        dataset: Name of the dataset.
        part: Name of the part.
        unseen: Whether none of the lesions was used to fit, stop or calibrate the model.
        leaky: Whether images of one lesion may stand on both sides of the split. Every figure is then too good.
        date: Day of the measurement, ISO 8601.
        n_images: Number of images.
        n_lesions: Number of lesions that they show.
        classes: Codes of the task's classes, in the order of the confusion matrix.
        support: Number of images of each class.
        confusion_matrix: Counts of images; rows are actual, columns predicted.
        overall: Metrics of all images by name.
        per_class: By class, then by name of the metric, each class against the rest.
        operating_points: The model's thresholds with what was measured here, those that the images define.
        roc: By class, and `malignant` where the model tells malignancy.
        reliability: Confidence against accuracy, the bins that hold an image.
        history: The training, epoch by epoch; empty where it is not known.
        prediction_sets: How often the model's prediction sets held the true class.
        selective: What leaving out the least certain images gains.
        decision_curve: What acting on the model is worth.
        robustness: How the figures fall when images get worse; empty where it was not measured.
        subgroups: The images by what is known of them beside the diagnosis.
    """

    notice: str = RESEARCH_ONLY
    graph_sha256: Sha256
    dataset: str
    subset: str
    unseen: bool
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
    selective: tuple[SelectivePoint, ...] = ()
    decision_curve: tuple[NetBenefitPoint, ...] = ()
    robustness: tuple[RobustnessPoint, ...] = ()
    subgroups: tuple[Subgroup, ...] = ()

    @model_validator(mode="after")
    def _matrix_is_of_the_classes(self) -> "EvaluationSummary":
        sides = {len(self.confusion_matrix), *map(len, self.confusion_matrix), len(self.support)}
        if sides != {len(self.classes)}:
            raise ValueError(f"the confusion matrix and the support are not those of {len(self.classes)} classes")
        return self
