"""Results: the one definition of a prediction for Python, JSON, CSV, the API, the client and the page."""

from lesionlab.results.explanation import ExplainedPrediction, Explanation, LesionMeasures, NearestImage
from lesionlab.results.model_card import ModelCard
from lesionlab.results.prediction import (
    AbstainReason,
    Failure,
    OperatingPointResult,
    Prediction,
    PredictionSet,
    RankedDiagnosis,
)
from lesionlab.results.responses import BatchItem, BatchResponse, ExplainResponse, ModelName, PredictResponse, Problem

__all__ = [
    "AbstainReason",
    "BatchItem",
    "BatchResponse",
    "ExplainResponse",
    "ExplainedPrediction",
    "Explanation",
    "Failure",
    "LesionMeasures",
    "ModelCard",
    "ModelName",
    "NearestImage",
    "OperatingPointResult",
    "PredictResponse",
    "Prediction",
    "PredictionSet",
    "Problem",
    "RankedDiagnosis",
]
