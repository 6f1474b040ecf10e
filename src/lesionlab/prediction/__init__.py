"""From images to answers: load a bundle once, judge as many images as wanted."""

from lesionlab.prediction.ensemble import Ensemble
from lesionlab.prediction.explained import ExplainedPrediction
from lesionlab.prediction.explanation import Explanation
from lesionlab.prediction.predictor import Predictor
from lesionlab.prediction.prepared import PreparedImage
from lesionlab.prediction.result import Failure, Prediction, PredictionSet, RankedDiagnosis, Refusal, RefusalReason
from lesionlab.prediction.risk import RiskRule
from lesionlab.prediction.similar import SimilarCase

__all__ = [
    "Ensemble",
    "ExplainedPrediction",
    "Explanation",
    "Failure",
    "Prediction",
    "PredictionSet",
    "Predictor",
    "PreparedImage",
    "RankedDiagnosis",
    "Refusal",
    "RefusalReason",
    "RiskRule",
    "SimilarCase",
]
