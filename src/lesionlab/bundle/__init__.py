"""The model bundle: an ONNX graph and its description."""

from lesionlab.bundle.calibration import Calibration, DecisionRule
from lesionlab.bundle.evaluation import (
    Epoch,
    EvaluationSummary,
    ExternalFigures,
    GroupMetrics,
    GroupPoint,
    ReliabilityBin,
    Roc,
    RocPoint,
    Subgroup,
    WithinSourceAuc,
)
from lesionlab.bundle.fusion import IMAGE_TYPES, ClinicalFusion, FittedValues, ImageType, LesionFusion
from lesionlab.bundle.operating_points import CurvePoint, OperatingPoint, PatientThreshold, SensitivityCurve
from lesionlab.bundle.patient import Patient, PatientEffects, Site
from lesionlab.bundle.prediction_sets import PredictionSets
from lesionlab.bundle.reference import (
    DriftMeasures,
    FeatureSpace,
    ImageLimits,
    LinearHead,
    Reference,
    SharpnessLimit,
    ValidationStatistics,
)
from lesionlab.bundle.remote import fetch_bundle
from lesionlab.bundle.schema import (
    BundleInfo,
    DermoscopyDetector,
    ImportedNetwork,
    LesionCrop,
    StoredGraph,
    TrainingData,
    TrainingTime,
)
from lesionlab.bundle.seen_images import SeenCounts, SeenImages
from lesionlab.bundle.store import Bundle, default_bundle_path, is_bundle, save_bundle
from lesionlab.bundle.training_images import TrainingImages

__all__ = [
    "IMAGE_TYPES",
    "Bundle",
    "BundleInfo",
    "Calibration",
    "ClinicalFusion",
    "CurvePoint",
    "DecisionRule",
    "DermoscopyDetector",
    "DriftMeasures",
    "Epoch",
    "EvaluationSummary",
    "ExternalFigures",
    "FeatureSpace",
    "FittedValues",
    "GroupMetrics",
    "GroupPoint",
    "ImageLimits",
    "ImageType",
    "ImportedNetwork",
    "LesionCrop",
    "LesionFusion",
    "LinearHead",
    "OperatingPoint",
    "Patient",
    "PatientEffects",
    "PatientThreshold",
    "PredictionSets",
    "Reference",
    "ReliabilityBin",
    "Roc",
    "RocPoint",
    "SeenCounts",
    "SeenImages",
    "SensitivityCurve",
    "SharpnessLimit",
    "Site",
    "StoredGraph",
    "Subgroup",
    "TrainingData",
    "TrainingImages",
    "TrainingTime",
    "ValidationStatistics",
    "WithinSourceAuc",
    "default_bundle_path",
    "fetch_bundle",
    "is_bundle",
    "save_bundle",
]
