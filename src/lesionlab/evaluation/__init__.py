"""Evaluation of a model on a subset of a dataset: metrics, figures and an HTML report. Needs the extra `evaluate`."""

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
