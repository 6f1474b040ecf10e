"""The model bundle: a graph and the description without which its numbers mean nothing."""

from lesionlab.bundle.schema import BundleInfo, Calibration, OperatingPoint, TrainingData
from lesionlab.bundle.store import Bundle, default_bundle_path, save_bundle, update_info

__all__ = [
    "Bundle",
    "BundleInfo",
    "Calibration",
    "OperatingPoint",
    "TrainingData",
    "default_bundle_path",
    "save_bundle",
    "update_info",
]
