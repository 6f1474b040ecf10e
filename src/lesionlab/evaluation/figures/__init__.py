"""The figures of a report, drawn as `<svg>` elements or files."""

from lesionlab.evaluation.figures.curves import draw_training_curves, write_curves
from lesionlab.evaluation.figures.ranking import (
    MarkedPoint,
    draw_class_precision_recall,
    draw_class_roc,
    draw_precision_recall,
    draw_roc,
)
from lesionlab.evaluation.figures.reliability import draw_reliability
from lesionlab.evaluation.figures.robustness import draw_robustness

__all__ = [
    "MarkedPoint",
    "draw_class_precision_recall",
    "draw_class_roc",
    "draw_precision_recall",
    "draw_reliability",
    "draw_robustness",
    "draw_roc",
    "draw_training_curves",
    "write_curves",
]
