"""Experiments: cross-validation, reproduction of published systems, and completion of runs. Needs the extra `train`."""

from lesionlab.experiments.completion import Bar, complete_run, require_same_run
from lesionlab.experiments.cross_validation import cross_validate
from lesionlab.experiments.fold_results import CrossValidation, FoldOutcome, FoldSpread

__all__ = [
    "Bar",
    "CrossValidation",
    "FoldOutcome",
    "FoldSpread",
    "complete_run",
    "cross_validate",
    "require_same_run",
]
