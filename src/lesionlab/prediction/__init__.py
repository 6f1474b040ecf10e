"""From images to predictions: load a bundle once, classify any number of images."""

from lesionlab.prediction.decision.risk import RiskRule
from lesionlab.prediction.inference.preprocessing import PreparedImage
from lesionlab.prediction.lesions import Lesion
from lesionlab.prediction.pipeline import Pipeline
from lesionlab.prediction.predictor import Predictor

__all__ = ["Lesion", "Pipeline", "Predictor", "PreparedImage", "RiskRule"]
