"""Metrics. Each is a function of image weights, so the bootstrap by lesion is one weight matrix.

`lesionlab.metrics.arrays` states the shapes of the arguments.
"""

from lesionlab.metrics.bootstrap import lesion_weights, percentile_interval
from lesionlab.metrics.calibration import fit_temperature, softmax
from lesionlab.metrics.estimate import Estimate, exact_interval
from lesionlab.metrics.operating_point import (
    OperatingPointMetrics,
    choose_operating_point,
    guaranteed_threshold,
    measure_operating_point,
    predictive_values,
)
from lesionlab.metrics.summary import MetricsSummary, evaluate_predictions

__all__ = [
    "Estimate",
    "MetricsSummary",
    "OperatingPointMetrics",
    "choose_operating_point",
    "evaluate_predictions",
    "exact_interval",
    "fit_temperature",
    "guaranteed_threshold",
    "lesion_weights",
    "measure_operating_point",
    "percentile_interval",
    "predictive_values",
    "softmax",
]
