"""Description of a served model: what a reader of its results needs to know."""

from pydantic import Field

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.base_models import FrozenModel
from lesionlab.bundle import Calibration, OperatingPoint, TrainingData
from lesionlab.images import Preprocessing
from lesionlab.metrics import Estimate
from lesionlab.results.responses import ModelName
from lesionlab.taxonomy import Risk


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
