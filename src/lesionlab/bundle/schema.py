"""The schema of `bundle.json`, the description of a model."""

from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from lesionlab.base_models import Sha256, StrictModel
from lesionlab.bundle.calibration import Calibration, DecisionRule
from lesionlab.bundle.fusion import IMAGE_TYPES, FittedValues, ImageType, LesionFusion
from lesionlab.bundle.operating_points import OperatingPoint, SensitivityCurve
from lesionlab.bundle.patient import PatientEffects
from lesionlab.bundle.prediction_sets import PredictionSets
from lesionlab.files import sha256_of_json
from lesionlab.images import Preprocessing
from lesionlab.metrics import Estimate
from lesionlab.taxonomy import TASKS, Target, TaskName

SCHEMA_VERSION: Final = 2


class TrainingData(StrictModel):
    """The training data, by hashes and counts.

    Of an imported model the training data are unknown. These are then the calibration images: the subset `calibration`.

    Attributes:
        split_sha256: Hash of the split; None for an imported model.
        leaky: Whether training and test may share lesions. Every figure is then too good.
        lesions_known: Whether the dataset has lesion identifiers.
        images: Number of images by subset.
        lesions: Number of lesions by subset.
        classes: Number of training images of each class; the probabilities are calibrated to these frequencies. Empty
            where unknown.
        label_origins: Number of training and validation images by the way in which readers made their labels; empty
            for labels that came with the data.
        label_readers: Number of these readers.
    """

    manifest_sha256: Sha256
    split_sha256: Sha256 | None
    leaky: bool
    lesions_known: bool
    images: dict[str, int]
    lesions: dict[str, int]
    classes: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    sources: tuple[str, ...]
    label_origins: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    label_readers: int = Field(default=0, ge=0)


class TrainingTime(StrictModel):
    """Duration of the training epochs.

    Attributes:
        seconds: Of the run, or of all members of an ensemble.
        earlier_seconds: Of all runs that it started from or was distilled from; None where unknown.
    """

    seconds: float = Field(ge=0)
    earlier_seconds: float | None = Field(default=None, ge=0)


Runtime = Literal["onnx", "openvino", "litert", "coreml"]
GraphDtype = Literal["float32", "float16", "int8"]


class StoredGraph(StrictModel):
    """Storage format of the network.

    Attributes:
        dtype: Data type of the weights; `int8` also computes in 8 bits.
        scheme: The quantisation or conversion in words; empty for the exported graph.
        converted_from: SHA-256 of the FP32 source graph; None for the exported graph.
        files: SHA-256 of each file of a model with several files, by path; `graph_sha256` is the hash of this table.
    """

    runtime: Runtime = "onnx"
    dtype: GraphDtype = "float32"
    scheme: str = ""
    converted_from: Sha256 | None = None
    files: dict[str, Sha256] = Field(default_factory=dict)


class LesionCrop(StrictModel):
    """Crop of a network whose input is a square around the lesion.

    Attributes:
        segmentation: Name and hash of the segmentation model inside the graph.
        threshold: A pixel belongs to the lesion at or above this probability.
        margin: Side of the square divided by the diameter of the lesion.
        size: Side of the cropped input in pixels; None for the side of the image.
        dice: Overlap with manual masks on the segmentation model's test set; None where it was not measured.
    """

    segmentation: str
    threshold: float = Field(gt=0, lt=1)
    margin: float = Field(ge=1)
    size: int | None = Field(default=None, ge=32, le=1024)
    dice: Estimate | None = None


class DermoscopyDetector(StrictModel):
    """Detector of images that are not dermoscopic images of a skin lesion: the output `dermoscopic` of the graph.

    Attributes:
        threshold: The model abstains where the logit is below it.
        validation_share: Share of the validation images on which it abstains for this reason.
        negatives: Number of pictures of each kind that the detector was trained on, beside the training images.
        left_out: Share of the pictures of each kind that a detector detects which was trained without this kind.
    """

    threshold: float
    validation_share: float = Field(ge=0, le=1)
    negatives: dict[str, Annotated[int, Field(ge=0)]]
    left_out: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)


class ImportedNetwork(StrictModel):
    """Origin of a network that was trained elsewhere (`lesionlab import`): its training is unknown.

    Attributes:
        file: Name of the file.
        sha256: SHA-256 of the file.
        architecture: timm's name of the architecture; empty for an ONNX file.
        outputs: The outputs of the network; the logarithms of probabilities are logits.
        labels: Names of the classes as they were given, in the order of the outputs.
    """

    file: str
    sha256: Sha256
    architecture: str = ""
    outputs: Literal["logits", "probabilities"]
    labels: tuple[str, ...]


class BundleInfo(StrictModel):
    """The whole of `bundle.json`.

    Attributes:
        schema_version: Version of this schema; other versions cannot be read.
        name: Name of the model, by default that of its recipe.
        created: Date of the export, ISO 8601.
        task: See `lesionlab.taxonomy.TASKS`.
        classes: Codes of the classes in the order of the outputs.
        crop: Crop inside the graph; None for the whole image.
        dermoscopy: Detector of images that are not dermoscopic; None for a graph without one.
        graph_sha256: SHA-256 of `model.onnx`, or of another runtime's file.
        reference_sha256: SHA-256 of `reference.npz`; None for a bundle without one.
        evaluation_sha256: SHA-256 of `evaluation.json`; None for a bundle without one.
        training_images_sha256: SHA-256 of `training_images.npz`; None for a bundle without one.
        seen_images_sha256: SHA-256 of `seen_images.npz`; None for a bundle without one.
        prediction_sets: Limits of conformal prediction sets; None where validation has too few lesions.
        patient_effects: Effects of age, sex and site; None for a model that uses the image alone.
        operating_points: Thresholds on the probability of malignancy and of melanoma, as far as the task has them.
        sensitivity_curves: Thresholds for other sensitivities, one curve per target.
        fusion: Combination of several images of a lesion; None: the mean of their log-probabilities.
        training_time: Duration of the training; None where unknown.
        imported: Origin of a network that was trained elsewhere; None for a run of lesionlab.
        recipe: The complete recipe; empty for an imported model.
        metrics: Metrics on the test set by name, written by `lesionlab evaluate`.
        versions: Versions of the libraries, and the device.
    """

    schema_version: Literal[2] = SCHEMA_VERSION
    # Shown in terminals and opened in spreadsheets: it begins like a name and holds no control character.
    name: str = Field(pattern=r"^[A-Za-z0-9][^\x00-\x1f\x7f]*$")
    created: str
    task: TaskName = "diagnosis"
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    crop: LesionCrop | None = None
    dermoscopy: DermoscopyDetector | None = None
    graph_sha256: Sha256
    graph: StoredGraph = StoredGraph()
    reference_sha256: Sha256 | None = None
    evaluation_sha256: Sha256 | None = None
    training_images_sha256: Sha256 | None = None
    seen_images_sha256: Sha256 | None = None
    parameters: int = Field(ge=1)
    calibration: Calibration
    decision_rule: DecisionRule = DecisionRule()
    prediction_sets: PredictionSets | None = None
    patient_effects: PatientEffects | None = None
    operating_points: tuple[OperatingPoint, ...] = ()
    sensitivity_curves: tuple[SensitivityCurve, ...] = ()
    fusion: LesionFusion | None = None
    training_data: TrainingData
    training_time: TrainingTime | None = None
    imported: ImportedNetwork | None = None
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
            ("calibration.mean_probabilities", calibration.mean_probabilities),
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
        targets = [p.target for p in self.operating_points] + [c.target for c in self.sensitivity_curves]
        for target in targets:
            if target not in TASKS[self.task].targets:
                raise ValueError(f"task {self.task} has no target {target} for a threshold")
        return self

    @property
    def target(self) -> Target:
        """The main target: `malignant`, or `melanoma` for a model of that task."""
        return next(iter(TASKS[self.task].targets))

    @property
    def class_frequencies(self) -> tuple[float, ...]:
        """Class frequencies at which the probabilities are calibrated; empty for unknown."""
        # The calibration was fitted to the validation images: probabilities hold for the class frequencies of these.
        counts = self.training_data.classes
        fitted = self.calibration.mean_probabilities or [counts.get(code, 0) for code in self.classes]
        return tuple(value / sum(fitted) for value in fitted) if all(fitted) else ()

    @property
    def prediction_sha256(self) -> str:
        """Hash of everything that a prediction depends on: the graph, calibration, rules and thresholds."""
        fitted = self.model_dump(
            mode="json",
            include={"graph_sha256", "calibration", "decision_rule", "prediction_sets", "patient_effects"},
            exclude={"decision_rule": {"abstention_share"}},
        )
        if self.fusion is not None and self.fusion.clinical is not None:
            fitted["fusion"] = self.fusion.model_dump(mode="json")
        thresholds = [
            (point.name, point.threshold, *((point.patient.threshold,) if point.patient else ()))
            for point in self.operating_points
        ]
        return sha256_of_json([fitted, thresholds])

    @property
    def identity(self) -> str:
        """Short name in every prediction: the model's name and the head of the hash of its graph, or of both graphs."""
        clinical = None if self.fusion is None else self.fusion.clinical
        return f"{self.name}@{self.graph_sha256[:12]}" + (f"+{clinical.graph_sha256[:12]}" if clinical else "")

    @property
    def image_type(self) -> ImageType:
        """The type of the images that the graph was trained on."""
        data = self.recipe.get("data")
        return "clinical" if isinstance(data, dict) and data.get("image_type") == "clinical" else "dermoscopic"

    @property
    def image_types(self) -> tuple[ImageType, ...]:
        """The types of images that the model takes."""
        combined = self.fusion is not None and self.fusion.clinical is not None
        return IMAGE_TYPES if combined else (self.image_type,)

    def fitted_for(self, values: FittedValues) -> "BundleInfo":
        """Return the description with other fitted values, those for another kind of input."""
        return self.model_copy(update=dict(values))
