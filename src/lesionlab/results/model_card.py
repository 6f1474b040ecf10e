"""Description of a served model: what a reader of its results needs to know."""

from pydantic import Field

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.base_models import FrozenModel
from lesionlab.bundle import BundleInfo, Calibration, OperatingPoint, TrainingData
from lesionlab.images import Preprocessing
from lesionlab.metrics import Estimate
from lesionlab.results.responses import ModelName
from lesionlab.taxonomy import TASKS, Risk


class ModelClass(FrozenModel):
    """One class of the model's task."""

    code: str = Field(examples=["mel"])
    name: str = Field(examples=["Melanoma"])
    risk: Risk
    malignant: bool | None = Field(description="Null for a class that holds malignant and benign diagnoses.")


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
    classes: tuple[ModelClass, ...] = Field(description="In the order of the model's outputs.")
    operating_points: tuple[OperatingPoint, ...]
    risk_rule: str = Field(description="The rule behind the risk level, in words.")
    metrics: dict[str, Estimate] = Field(description="On the test set, with 95% intervals.")
    calibration: Calibration
    training_data: TrainingData
    preprocessing: Preprocessing
    licence: str
    created: str
    parameters: int
    recipe: str = Field(description="Name of the training recipe.")
    explainable: bool = Field(description="Whether /v1/explain is available.")
    abstains: bool = Field(description="Whether the model can abstain.")
    limits: Limits

    @classmethod
    def of(cls, info: BundleInfo, *, risk_rule: str, explainable: bool, abstains: bool, limits: Limits) -> "ModelCard":
        """Return the card of a model."""
        task = TASKS[info.task]
        return cls(
            model=ModelName.of(info),
            task=info.task,
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
            preprocessing=info.preprocessing,
            licence=info.licence,
            created=info.created,
            parameters=info.parameters,
            recipe=str(info.recipe.get("name", info.name)),
            explainable=explainable,
            abstains=abstains,
            limits=limits,
        )
