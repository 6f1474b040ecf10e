"""The model card of a server."""

from lesionlab.images.decode import FORMATS
from lesionlab.prediction import Predictor
from lesionlab.results import ModelCard
from lesionlab.results.model_card import Limits
from lesionlab.serving.settings import Settings


def model_card(predictor: Predictor, settings: Settings) -> ModelCard:
    """Return the description of a model and of the limits of its server."""
    limits = Limits(
        max_bytes=settings.max_bytes,
        max_batch_bytes=settings.max_batch_bytes,
        max_pixels=settings.max_pixels,
        max_batch=settings.max_batch,
        formats=FORMATS,
    )
    return ModelCard.of(
        predictor.info,
        risk_rule=predictor.risk_rule,
        explainable=predictor.explainable,
        abstains=predictor.abstains,
        limits=limits,
    )
