"""Run folders: the results of a training, readable without a training framework."""

from lesionlab.runs.folder import HISTORY_COLUMNS, RunFolder, RunRecord
from lesionlab.runs.lineage import earlier_runs, require_same_subsets, training_seconds

__all__ = ["HISTORY_COLUMNS", "RunFolder", "RunRecord", "earlier_runs", "require_same_subsets", "training_seconds"]
