"""Results: the one definition of a prediction for Python, JSON, CSV, the API, the client and the page."""

from lesionlab.results.explanation import ExplainedPrediction, Explanation, LesionMeasures, NearestImage
from lesionlab.results.model_card import ModelCard
from lesionlab.results.prediction import (
    AbstainReason,
    Failure,
    LesionImage,
    OperatingPointResult,
    Prediction,
    PredictionSet,
    RankedDiagnosis,
)
from lesionlab.results.problem import FieldError, Problem, ProblemType
from lesionlab.results.responses import (
    BatchItem,
    BatchLine,
    BatchResponse,
    ExplainResponse,
    Job,
    ModelName,
    PredictResponse,
)

__all__ = [
    "AbstainReason",
    "BatchItem",
    "BatchLine",
    "BatchResponse",
    "ExplainResponse",
    "ExplainedPrediction",
    "Explanation",
    "Failure",
    "FieldError",
    "Job",
    "LesionImage",
    "LesionMeasures",
    "ModelCard",
    "ModelName",
    "NearestImage",
    "OperatingPointResult",
    "PredictResponse",
    "Prediction",
    "PredictionSet",
    "Problem",
    "ProblemType",
    "RankedDiagnosis",
]
