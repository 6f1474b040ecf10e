"""Hyper-parameter search: an Optuna study over ranges of a recipe's settings. Needs the extra `tune`."""

from lesionlab.experiments.tuning.report import TrialResult, TuningResult
from lesionlab.experiments.tuning.search import tune
from lesionlab.experiments.tuning.space import SearchedSetting, SearchSpace, read_space
from lesionlab.experiments.tuning.study import StudySettings

__all__ = [
    "SearchSpace",
    "SearchedSetting",
    "StudySettings",
    "TrialResult",
    "TuningResult",
    "read_space",
    "tune",
]
