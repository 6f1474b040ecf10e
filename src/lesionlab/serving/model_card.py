"""The model card of a server."""

from lesionlab.images.decode import FORMATS
from lesionlab.prediction import Predictor
from lesionlab.results import ModelCard, ModelName
from lesionlab.results.model_card import Limits, ModelClass
from lesionlab.serving.settings import Settings
from lesionlab.taxonomy import TASKS


def model_card(predictor: Predictor, settings: Settings) -> ModelCard:
    """Return the description of a model and of the limits of its server."""
    info = predictor.info
    task = TASKS[info.task]
    return ModelCard(
        model=ModelName.of(info),
        task=info.task,
        classes=tuple(
            ModelClass(code=code, name=task.name_of(code), risk=task.risk_of(code), malignant=task.malignancy_of(code))
            for code in task.classes
        ),
        operating_points=info.operating_points,
        risk_rule=predictor.risk_rule,
        metrics=info.metrics,
        calibration=info.calibration,
        training_data=info.training_data,
        preprocessing=info.preprocessing,
        licence=info.licence,
        created=info.created,
        parameters=info.parameters,
        recipe=str(info.recipe.get("name", info.name)),
        explainable=predictor.explainable,
        abstains=predictor.abstains,
        limits=Limits(
            max_bytes=settings.max_bytes,
            max_batch_bytes=settings.max_batch_bytes,
            max_pixels=settings.max_pixels,
            max_batch=settings.max_batch,
            formats=FORMATS,
        ),
    )
