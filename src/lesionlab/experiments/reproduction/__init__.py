"""Reproduction of published systems: recipes under the published split and under a split by lesion, in one table.

Needs the extra `train`.
"""

from lesionlab.experiments.reproduction.markdown import render_markdown
from lesionlab.experiments.reproduction.plan import PlannedRun, read_plan
from lesionlab.experiments.reproduction.prepare import PreparedRecipe, PreparedRun, prepare, read_against
from lesionlab.experiments.reproduction.run import reproduce
from lesionlab.experiments.reproduction.table import (
    FigureRow,
    PairedDifference,
    ReproducedRecipe,
    Reproduction,
    RunOutcome,
)

__all__ = [
    "FigureRow",
    "PairedDifference",
    "PlannedRun",
    "PreparedRecipe",
    "PreparedRun",
    "ReproducedRecipe",
    "Reproduction",
    "RunOutcome",
    "prepare",
    "read_against",
    "read_plan",
    "render_markdown",
    "reproduce",
]
