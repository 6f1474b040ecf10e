"""What `bundle.json` says: everything that is needed to use a model and to know what its numbers mean."""

from typing import Annotated, Final, Literal

import numpy as np
from pydantic import Field, model_validator

from lesionlab.base_models import Sha256, StrictModel
from lesionlab.bundle.operating_points import OperatingPoint, SensitivityCurve
from lesionlab.bundle.patient import PatientEffects
from lesionlab.bundle.prediction_sets import PredictionSets
from lesionlab.files import sha256_of_json
from lesionlab.images import Preprocessing
from lesionlab.metrics import Estimate, softmax
from lesionlab.metrics.arrays import FloatArray
from lesionlab.taxonomy import TASKS, Target

SCHEMA_VERSION: Final = 2


class Calibration(StrictModel):
    """How logits become probabilities: softmax((scales * logits + offsets) / temperature).

    Fitted on the validation part by minimising the negative log likelihood.

    Attributes:
        method: `temperature`: one number (Guo et al., ICML 2017). `bias`: one offset for each class as well, which
            also undoes what training did to the class frequencies (Alexandari et al., ICML 2020). `vector`: one scale
            for each class, too (Guo et al.).
        scales: The logits are multiplied by them, one for each class. Empty for none.
        offsets: Added to the logits after that, one for each class. Empty for none.
        temperature: What is then divided by.
        images: Number of validation images that it was fitted on.
        ece_before: Expected calibration error on those images of the logits as they are.
        ece_after: The same with these probabilities.
        nll_by_method: Negative log likelihood of each method that was tried, on validation lesions that it was not
            fitted on (cross-validation); the method with the lowest one is used. Empty where just one was tried.
    """

    method: Literal["temperature", "bias", "vector"] = "temperature"
    scales: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()
    temperature: float = Field(gt=0)
    images: int = Field(ge=1)
    ece_before: float
    ece_after: float
    nll_by_method: dict[str, float] = Field(default_factory=dict)

    def probabilities(self, logits: FloatArray) -> FloatArray:
        """Return calibrated probabilities, float64 [N, C], for the graph's logits [N, C]."""
        return softmax(logits * np.array(self.scales or 1.0) + np.array(self.offsets or 0.0), self.temperature)


class DecisionRule(StrictModel):
    """How probabilities become one answer: the class with the highest probability times weight.

    With probabilities that are true to the dataset's class frequencies, weights of 1 make the fewest mistakes, and
    weights of 1 / frequency reach the highest balanced accuracy (the Bayes rule for that measure; Menon et al.,
    ICLR 2021). The probabilities stay what they are.

    Attributes:
        exponent: Weights are frequencies to the power of minus this: 0 answers with the most probable class.
        weights: One for each class; empty for equal ones.
        min_confidence: An answer whose score is lower is refused as uncertain: exceeded by all but 2 % of the
            validation images. 0 refuses none.
    """

    exponent: float = Field(default=0.0, ge=0, le=1)
    weights: tuple[Annotated[float, Field(gt=0)], ...] = ()
    min_confidence: float = Field(default=0.0, ge=0, lt=1)

    def scores(self, probabilities: FloatArray) -> FloatArray:
        """Return what the classes are ranked by, [..., C], each row summing to 1, for probabilities [..., C].

        With an exponent of 1 these are the probabilities for a dataset in which all classes are equally frequent.
        """
        weighted = probabilities * np.array(self.weights or 1.0)
        scores: FloatArray = weighted / weighted.sum(axis=-1, keepdims=True)
        return scores


class TrainingData(StrictModel):
    """What the model was trained on, by hash and by count.

    Attributes:
        manifest_sha256: Hash of the manifest.
        split_sha256: Hash of the split.
        leaky: True if images of one lesion may stand on both sides of the split. Every figure is then leaky.
        lesions_known: Whether the source told which images show one lesion.
        images: Number of images per part.
        lesions: Number of lesions per part.
        classes: Number of training images of each class: the frequencies that the probabilities are true to. Empty in
            bundles that were exported before this was kept.
        sources: Names of the datasets.
    """

    manifest_sha256: Sha256
    split_sha256: Sha256
    leaky: bool
    lesions_known: bool
    images: dict[str, int]
    lesions: dict[str, int]
    classes: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    sources: tuple[str, ...]


class TrainingTime(StrictModel):
    """How long the epochs of a training took.

    Attributes:
        seconds: Of the run, or of the members of an ensemble together.
        earlier_seconds: Of the runs that it started from and that taught it, and so on back; None where they were not
            there any more.
    """

    seconds: float = Field(ge=0)
    earlier_seconds: float | None = Field(default=None, ge=0)


Runtime = Literal["onnx", "openvino", "litert", "coreml"]
GraphDtype = Literal["float32", "float16", "int8"]


class StoredGraph(StrictModel):
    """In which form the network is stored.

    Attributes:
        runtime: What runs it: `onnx` stands for onnxruntime.
        dtype: How its weights are stored; with `int8` it computes in 8 bits, too.
        scheme: How it was made smaller, in words; empty for the graph as it was exported.
        converted_from: SHA-256 of the FP32 graph that it was made of; None for a graph as it was exported.
        files: SHA-256 of each file of a model that has several, by its path; `graph_sha256` is then that of this table.
    """

    runtime: Runtime = "onnx"
    dtype: GraphDtype = "float32"
    scheme: str = ""
    converted_from: Sha256 | None = None
    files: dict[str, Sha256] = Field(default_factory=dict)


class LesionCrop(StrictModel):
    """How a network that sees a square around the lesion finds it.

    Attributes:
        segmentation: Name and hash of the segmentation model that is a part of the graph.
        threshold: A pixel belongs to the lesion at or above this probability.
        margin: Side of the square over the diameter of the lesion.
        size: Side of the square in pixels as the network sees it; None for that of the picture.
        dice: Overlap with masks drawn by people, on the segmentation model's test part; None where it has none.
    """

    segmentation: str
    threshold: float = Field(gt=0, lt=1)
    margin: float = Field(ge=1)
    size: int | None = Field(default=None, ge=32, le=1024)
    dice: Estimate | None = None


class BundleInfo(StrictModel):
    """The whole of `bundle.json`.

    Attributes:
        schema_version: Version of this schema; a reader refuses another one.
        name: Name of the model, by default that of its recipe.
        created: Day on which it was exported, ISO 8601.
        task: What the model tells apart; see `lesionlab.taxonomy.TASKS`.
        classes: Codes of the task's classes in the order of the outputs.
        preprocessing: What is done to an image before the graph.
        crop: What part of the picture the network sees; None for the whole.
        graph_sha256: SHA-256 of `model.onnx`, or of another runtime's file.
        graph: In which form the network is stored.
        reference_sha256: SHA-256 of `reference.npz`; None for a bundle without one.
        evaluation_sha256: SHA-256 of `evaluation.json`; None for a bundle without one.
        training_images_sha256: SHA-256 of `cases.npz`; None for a bundle without one.
        parameters: Number of trained weights.
        calibration: How logits become probabilities.
        decision_rule: How probabilities become the balanced prediction.
        prediction_sets: Which classes cannot be ruled out; None where validation has too few lesions.
        patient_effects: What age, sex and site add to an image; None for a model that judges the picture alone.
        operating_points: Thresholds on the probability of malignancy and of melanoma, as far as the model tells them.
        sensitivity_curves: Thresholds for other sensitivities, one curve for each of these.
        training_data: Hashes and counts of what it was trained on.
        training_time: How long it took; None for a bundle that was made before this was kept.
        recipe: The recipe, whole, as it was run.
        metrics: Metrics on the test part by name, filled in by `lesionlab evaluate`.
        versions: Versions of the libraries and of the device that made it.
        licence: Licence of the weights.
    """

    schema_version: Literal[2] = SCHEMA_VERSION
    # Shown in terminals and opened in spreadsheets: it begins like a name and holds no control character.
    name: str = Field(pattern=r"^[A-Za-z0-9][^\x00-\x1f\x7f]*$")
    created: str
    task: Literal["diagnosis", "malignant", "melanoma"] = "diagnosis"
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    crop: LesionCrop | None = None
    graph_sha256: Sha256
    graph: StoredGraph = StoredGraph()
    reference_sha256: Sha256 | None = None
    evaluation_sha256: Sha256 | None = None
    training_images_sha256: Sha256 | None = None
    parameters: int = Field(ge=1)
    calibration: Calibration
    decision_rule: DecisionRule = DecisionRule()
    prediction_sets: PredictionSets | None = None
    patient_effects: PatientEffects | None = None
    operating_points: tuple[OperatingPoint, ...] = ()
    sensitivity_curves: tuple[SensitivityCurve, ...] = ()
    training_data: TrainingData
    training_time: TrainingTime | None = None
    recipe: dict[str, object]
    metrics: dict[str, Estimate] = Field(default_factory=dict)
    versions: dict[str, str]
    licence: str

    @model_validator(mode="after")
    def _classes_are_those_of_the_task(self) -> "BundleInfo":
        expected, calibration = TASKS[self.task].classes, self.calibration
        if self.classes != expected:
            raise ValueError(f"classes are {self.classes}, those of task {self.task} are {expected}")
        for name, values in (
            ("calibration.scales", calibration.scales),
            ("calibration.offsets", calibration.offsets),
            ("decision_rule.weights", self.decision_rule.weights),
        ):
            if len(values) not in (0, len(expected)):
                raise ValueError(f"{name} has {len(values)} numbers for {len(expected)} classes")
        if self.patient_effects is not None and self.patient_effects.classes not in (None, len(expected)):
            raise ValueError(f"patient_effects has {self.patient_effects.classes} numbers for {len(expected)} classes")
        if self.prediction_sets is not None and tuple(self.prediction_sets.class_conditional) != expected:
            raise ValueError(
                f"prediction_sets.class_conditional are not the classes of task {self.task} in their order"
            )
        if self.training_data.classes and tuple(self.training_data.classes) != expected:
            raise ValueError(f"training_data.classes are not those of task {self.task} in their order")
        sought = [p.target for p in self.operating_points] + [c.target for c in self.sensitivity_curves]
        for finding in sought:
            if finding not in TASKS[self.task].targets:
                raise ValueError(f"task {self.task} does not tell {finding}, which a threshold looks for")
        return self

    @property
    def target(self) -> Target:
        """The main target: `malignant`, or `melanoma` for a model of that task."""
        return next(iter(TASKS[self.task].targets))

    @property
    def prediction_sha256(self) -> str:
        """Hash of all that an answer depends on: the graph, and what turns its outputs into an answer."""
        fitted = self.model_dump(
            mode="json", include={"graph_sha256", "calibration", "decision_rule", "prediction_sets", "patient_effects"}
        )
        return sha256_of_json([fitted, [(point.name, point.threshold) for point in self.operating_points]])

    @property
    def identity(self) -> str:
        """Short name that travels with every answer: the model's name and the head of its graph's hash."""
        return f"{self.name}@{self.graph_sha256[:12]}"
