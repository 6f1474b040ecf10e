"""Evaluation: what a model is worth on a part of a dataset, as metrics, figures and one page to read.

Needs the extra `train`, for the figures.
"""

from lesionlab.evaluation.evaluate import Evaluation, dataset_name, evaluate_subset, with_test_results, write_evaluation
from lesionlab.evaluation.report import ReportContext, render_report
from lesionlab.evaluation.results import EvaluatedSubset
from lesionlab.evaluation.run import evaluate_run

__all__ = [
    "EvaluatedSubset",
    "Evaluation",
    "ReportContext",
    "dataset_name",
    "evaluate_run",
    "evaluate_subset",
    "render_report",
    "with_test_results",
    "write_evaluation",
]
