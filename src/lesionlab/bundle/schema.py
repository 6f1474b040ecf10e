"""What `bundle.json` says: everything that is needed to use a model and to know what its numbers mean."""

from typing import Final, Literal

import numpy as np
from pydantic import Field, model_validator

from lesionlab.bundle.part import Part, Sha256
from lesionlab.images import Preprocessing
from lesionlab.metrics import Estimate, softmax
from lesionlab.metrics.arrays import FloatArray
from lesionlab.taxonomy import TASKS

SCHEMA_VERSION: Final = 1


class Calibration(Part):
    """How logits become probabilities: softmax((logits + offsets) / temperature).

    Temperature: Guo et al., ICML 2017. Offsets: logit adjustment, Menon et al., ICLR 2021.

    Attributes:
        offsets: Added to the logits, one for each class; they move the probabilities from the dataset's class
            frequencies towards equal ones, as far as the recipe's `inference.prior_exponent` says. Empty for none.
        temperature: Fitted on the validation part by minimising the negative log likelihood.
        images: Number of validation images that it was fitted on.
        ece_before: Expected calibration error on those images at temperature 1.
        ece_after: The same at the fitted temperature.
    """

    method: Literal["temperature"] = "temperature"
    offsets: tuple[float, ...] = ()
    temperature: float = Field(gt=0)
    images: int = Field(ge=1)
    ece_before: float
    ece_after: float

    def probabilities(self, logits: FloatArray) -> FloatArray:
        """Return calibrated probabilities, float64 [N, C], for the graph's logits [N, C]."""
        return softmax(logits + np.array(self.offsets or 0.0), self.temperature)


class OperatingPoint(Part):
    """A threshold on the probability of malignancy, or of melanoma for a model of that task, with what it costs.

    Attributes:
        name: For example `sensitivity_95`.
        target_sensitivity: What the threshold was chosen for.
        threshold: An image counts as suspicious at or above it.
        sensitivity: Measured on `measured_on`.
        specificity: Measured on `measured_on`.
        ppv: Positive predictive value at `prevalence`.
        npv: Negative predictive value at `prevalence`.
        prevalence: Share of images of what is looked for in `measured_on`.
        measured_on: The part that the four figures come from. The threshold itself always comes from validation.
    """

    name: str
    target_sensitivity: float = Field(gt=0, lt=1)
    threshold: float
    sensitivity: float
    specificity: float
    ppv: float
    npv: float
    prevalence: float
    measured_on: Literal["validation", "test", "other"]


class TrainingData(Part):
    """What the model was trained on, by hash and by count.

    Attributes:
        manifest_sha256: Hash of the manifest.
        split_sha256: Hash of the split.
        leaky: True if images of one lesion may stand on both sides of the split. Every figure is then leaky.
        lesions_known: Whether the source told which images show one lesion.
        images: Number of images per part.
        lesions: Number of lesions per part.
        sources: Names of the datasets.
    """

    manifest_sha256: Sha256
    split_sha256: Sha256
    leaky: bool
    lesions_known: bool
    images: dict[str, int]
    lesions: dict[str, int]
    sources: tuple[str, ...]


class BundleInfo(Part):
    """The whole of `bundle.json`.

    Attributes:
        schema_version: Version of this schema; a reader refuses another one.
        name: Name of the model, by default that of its recipe.
        created: Day on which it was exported, ISO 8601.
        task: What the model tells apart; see `lesionlab.taxonomy.TASKS`.
        classes: Codes of the task's classes in the order of the outputs.
        preprocessing: What is done to an image before the graph.
        graph_sha256: SHA-256 of `model.onnx`.
        reference_sha256: SHA-256 of `reference.npz`; None for a bundle without one.
        evaluation_sha256: SHA-256 of `evaluation.json`; None for a bundle without one.
        parameters: Number of trained weights.
        calibration: How logits become probabilities.
        operating_points: Thresholds on the probability of malignancy, or of melanoma for a model of that task.
        training_data: Hashes and counts of what it was trained on.
        recipe: The recipe, whole, as it was run.
        metrics: Metrics on the test part by name, filled in by `lesionlab evaluate`.
        versions: Versions of the libraries and of the device that made it.
        licence: Licence of the weights.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    # Shown in terminals and opened in spreadsheets: it begins like a name and holds no control character.
    name: str = Field(pattern=r"^[A-Za-z0-9][^\x00-\x1f\x7f]*$")
    created: str
    task: Literal["diagnosis", "malignant", "melanoma"] = "diagnosis"
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    graph_sha256: Sha256
    reference_sha256: Sha256 | None = None
    evaluation_sha256: Sha256 | None = None
    parameters: int = Field(ge=1)
    calibration: Calibration
    operating_points: tuple[OperatingPoint, ...] = ()
    training_data: TrainingData
    recipe: dict[str, object]
    metrics: dict[str, Estimate] = Field(default_factory=dict)
    versions: dict[str, str]
    licence: str

    @model_validator(mode="after")
    def _classes_are_those_of_the_task(self) -> "BundleInfo":
        expected, offsets = TASKS[self.task].classes, len(self.calibration.offsets)
        if self.classes != expected:
            raise ValueError(f"classes are {self.classes}, those of task {self.task} are {expected}")
        if offsets not in (0, len(expected)):
            raise ValueError(f"calibration has {offsets} offsets for {len(expected)} classes")
        return self

    @property
    def looked_for(self) -> str:
        """What the operating points look for, in a word: `malignant`, or `melanoma` for a model of that task."""
        task = TASKS[self.task]
        return "malignant" if task.tells_malignancy else task.names[1].lower()

    @property
    def identity(self) -> str:
        """Short name that travels with every answer: the model's name and the head of its graph's hash."""
        return f"{self.name}@{self.graph_sha256[:12]}"
