"""Description of a served model: what a reader of its results needs to know."""

from typing import get_args

from pydantic import Field

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.base_models import FrozenModel
from lesionlab.bundle import (
    BundleInfo,
    Calibration,
    DecisionRule,
    ImageType,
    ImportedNetwork,
    OperatingPoint,
    PatientEffects,
    PredictionSets,
    Site,
    TrainingData,
)
from lesionlab.images import Preprocessing
from lesionlab.metrics import Estimate
from lesionlab.results.responses import ModelName
from lesionlab.taxonomy import TASKS, Risk, Target, is_of_target


class ModelClass(FrozenModel):
    """One class of the model's task."""

    code: str = Field(examples=["mel"])
    name: str = Field(examples=["Melanoma"])
    risk: Risk
    malignant: bool | None = Field(description="Null for a class that holds malignant and benign diagnoses.")


class RiskParameters(FrozenModel):
    """The rule behind the risk level."""

    target: Target
    threshold: float | None = Field(description="Null where the risk is that of the most probable diagnosis.")
    point: int | None = Field(description="Index in `operating_points`; null for a threshold of the user.")


class DecisionParameters(FrozenModel):
    """What turns the probabilities of an image into a result.

    With it, a program applies patient data, another prevalence or another operating point to a result that it has.
    """

    targets: tuple[Target, ...] = Field(description="Targets whose probability follows from the classes.")
    target_classes: dict[Target, tuple[str, ...]] = Field(description="Classes that belong to each target.")
    frequencies: tuple[float, ...] = Field(
        description="Class frequencies at which the probabilities are calibrated; empty for unknown."
    )
    risk: RiskParameters
    rule: DecisionRule
    prediction_sets: PredictionSets | None
    patient_effects: PatientEffects | None
    sites: tuple[Site, ...] = tuple(Site)


class Limits(FrozenModel):
    """Limits of the server."""

    max_bytes: int = Field(description="Maximum size of a file in bytes.")
    max_batch_bytes: int = Field(description="Maximum size of a request with several files in bytes.")
    max_pixels: int = Field(description="Maximum width times height of an image.")
    max_batch: int = Field(description="Maximum number of files in a request.")
    formats: tuple[str, ...] = Field(examples=[["JPEG", "PNG"]])


class ModelCard(FrozenModel):
    """The served model."""

    notice: str = RESEARCH_ONLY
    version: str = Field(default=__version__, description="Version of lesionlab.")
    model: ModelName
    task: str
    image_types: tuple[ImageType, ...] = Field(
        default=("dermoscopic",), description="Types of images that the model takes."
    )
    classes: tuple[ModelClass, ...] = Field(description="In the order of the model's outputs.")
    operating_points: tuple[OperatingPoint, ...]
    risk_rule: str = Field(description="The rule behind the risk level, in words.")
    metrics: dict[str, Estimate] = Field(description="On the test set, with 95% intervals.")
    calibration: Calibration
    training_data: TrainingData
    imported: ImportedNetwork | None = Field(
        default=None,
        description="Origin of a network that was trained elsewhere; `training_data` are then its calibration images.",
    )
    preprocessing: Preprocessing
    licence: str
    created: str
    parameters: int
    recipe: str = Field(description="Name of the training recipe.")
    explainable: bool = Field(description="Whether /v1/explain is available.")
    abstains: bool = Field(description="Whether the model can abstain.")
    limits: Limits
    decision: DecisionParameters

    @classmethod
    def of(
        cls,
        info: BundleInfo,
        *,
        risk: RiskParameters,
        risk_rule: str,
        explainable: bool,
        abstains: bool,
        limits: Limits,
    ) -> "ModelCard":
        """Return the card of a model."""
        task = TASKS[info.task]
        return cls(
            model=ModelName.of(info),
            task=info.task,
            image_types=info.image_types,
            classes=tuple(
                ModelClass(
                    code=code, name=task.name_of(code), risk=task.risk_of(code), malignant=task.malignancy_of(code)
                )
                for code in task.classes
            ),
            operating_points=info.operating_points,
            risk_rule=risk_rule,
            metrics=info.metrics,
            calibration=info.calibration,
            training_data=info.training_data,
            imported=info.imported,
            preprocessing=info.preprocessing,
            licence=info.licence,
            created=info.created,
            parameters=info.parameters,
            recipe=str(info.recipe.get("name", info.name)),
            explainable=explainable,
            abstains=abstains,
            limits=limits,
            decision=DecisionParameters(
                targets=tuple(task.targets),
                target_classes={
                    target: tuple(code for code in task.classes if is_of_target(code, target))
                    for target in get_args(Target)
                },
                frequencies=info.class_frequencies,
                risk=risk,
                rule=info.decision_rule,
                prediction_sets=info.prediction_sets,
                patient_effects=info.patient_effects,
            ),
        )
