"""From images to answers: load a bundle once, judge as many images as wanted."""

from lesionlab.prediction.predictor import Predictor, PreparedImage
from lesionlab.prediction.result import Failure, Prediction, RankedDiagnosis

__all__ = ["Failure", "Prediction", "Predictor", "PreparedImage", "RankedDiagnosis"]
