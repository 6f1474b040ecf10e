"""Experiments: cross-validation, reproduction of published systems, and completion of runs. Needs the extra `train`."""

from lesionlab.experiments.completion import Bar, complete_run, require_same_run
from lesionlab.experiments.cross_validation import CrossValidation, FoldOutcome, Spread, cross_validate

__all__ = [
    "Bar",
    "CrossValidation",
    "FoldOutcome",
    "Spread",
    "complete_run",
    "cross_validate",
    "require_same_run",
]
