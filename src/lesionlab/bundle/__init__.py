"""The model bundle: a graph and the description without which its numbers mean nothing."""

from lesionlab.bundle.cases import Cases
from lesionlab.bundle.evaluation import Epoch, Evaluation, ReliabilityBin, Roc, RocPoint, Subgroup
from lesionlab.bundle.operating import CurvePoint, OperatingPoint, SensitivityCurve
from lesionlab.bundle.patient import Patient, PatientEffects, Site
from lesionlab.bundle.prediction_sets import PredictionSets
from lesionlab.bundle.reference import FeatureSpace, LinearHead, PictureLimits, Reference, SharpnessLimit, Usual
from lesionlab.bundle.schema import (
    BundleInfo,
    Calibration,
    Decision,
    LesionCrop,
    StoredGraph,
    TrainingData,
    TrainingTime,
)
from lesionlab.bundle.store import Bundle, default_bundle_path, save_bundle

__all__ = [
    "Bundle",
    "BundleInfo",
    "Calibration",
    "Cases",
    "CurvePoint",
    "Decision",
    "Epoch",
    "Evaluation",
    "FeatureSpace",
    "LesionCrop",
    "LinearHead",
    "OperatingPoint",
    "Patient",
    "PatientEffects",
    "PictureLimits",
    "PredictionSets",
    "Reference",
    "ReliabilityBin",
    "Roc",
    "RocPoint",
    "SensitivityCurve",
    "SharpnessLimit",
    "Site",
    "StoredGraph",
    "Subgroup",
    "TrainingData",
    "TrainingTime",
    "Usual",
    "default_bundle_path",
    "save_bundle",
]
