"""What the server tells of its model: all that a reader needs to know what its numbers mean."""

from pydantic import BaseModel, ConfigDict, Field

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.bundle import Calibration, OperatingPoint, TrainingData
from lesionlab.images import Preprocessing
from lesionlab.images.decode import FORMATS
from lesionlab.metrics import Estimate
from lesionlab.prediction import Predictor
from lesionlab.serving.answers import BundleName, bundle_name
from lesionlab.serving.settings import Settings
from lesionlab.taxonomy import TASKS, Risk


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class ModelClass(_Part):
    """One class of the model's task."""

    code: str = Field(examples=["mel"])
    name: str = Field(examples=["Melanoma"])
    risk: Risk
    malignant: bool | None = Field(description="Null for a class that holds malignant and benign diagnoses.")


class Limits(_Part):
    """What the server takes."""

    max_bytes: int = Field(description="Largest file.")
    max_batch_bytes: int = Field(description="Largest request with several files.")
    max_pixels: int = Field(description="Largest image, width times height.")
    max_batch: int = Field(description="Most files of one request.")
    formats: tuple[str, ...] = Field(examples=[FORMATS])


class ModelCard(_Part):
    """The model that answers here."""

    notice: str = RESEARCH_ONLY
    version: str = Field(default=__version__, description="Version of lesionlab.")
    bundle: BundleName
    task: str
    classes: tuple[ModelClass, ...] = Field(description="In the order of the model's outputs.")
    operating_points: tuple[OperatingPoint, ...]
    risk_meaning: str = Field(description="What the risk level of an answer goes by, in words.")
    metrics: dict[str, Estimate] = Field(description="On the test part, with 95% intervals.")
    calibration: Calibration
    training_data: TrainingData
    preprocessing: Preprocessing
    licence: str
    created: str
    parameters: int
    recipe: str = Field(description="Name of the recipe that it was trained by.")
    explains: bool = Field(description="Whether /v1/explain answers.")
    refuses: bool = Field(description="Whether the model says where it should not be relied on.")
    limits: Limits


def model_card(predictor: Predictor, settings: Settings) -> ModelCard:
    """Return all of it for a loaded model."""
    info = predictor.info
    task = TASKS[info.task]
    return ModelCard(
        bundle=bundle_name(info),
        task=info.task,
        classes=tuple(
            ModelClass(code=code, name=task.name_of(code), risk=task.risk_of(code), malignant=task.malignancy_of(code))
            for code in task.classes
        ),
        operating_points=info.operating_points,
        risk_meaning=predictor.risk_meaning,
        metrics=info.metrics,
        calibration=info.calibration,
        training_data=info.training_data,
        preprocessing=info.preprocessing,
        licence=info.licence,
        created=info.created,
        parameters=info.parameters,
        recipe=str(info.recipe.get("name", info.name)),
        explains=predictor.explains,
        refuses=predictor.refuses,
        limits=Limits(
            max_bytes=settings.max_bytes,
            max_batch_bytes=settings.max_batch_bytes,
            max_pixels=settings.max_pixels,
            max_batch=settings.max_batch,
            formats=FORMATS,
        ),
    )
