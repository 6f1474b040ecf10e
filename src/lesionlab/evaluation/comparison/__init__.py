"""Two evaluated models on the same images: what differs by more than chance."""

from lesionlab.evaluation.comparison.compare import ComparedMetric, Comparison, compare_predictions, p_in_words

__all__ = ["ComparedMetric", "Comparison", "compare_predictions", "p_in_words"]
