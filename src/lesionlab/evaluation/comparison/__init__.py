"""Paired comparison of two evaluated models on the same images."""

from lesionlab.evaluation.comparison.compare import ComparedMetric, Comparison, compare_predictions, p_in_words

__all__ = ["ComparedMetric", "Comparison", "compare_predictions", "p_in_words"]
