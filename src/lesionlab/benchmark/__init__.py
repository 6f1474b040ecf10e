"""Benchmark: recipes under two arrangements of the data, in one table that says what the leak is worth.

Needs the extra `train`.
"""

from lesionlab.benchmark.markdown import render_markdown
from lesionlab.benchmark.plan import PlannedRun, read_plan
from lesionlab.benchmark.prepare import PreparedRecipe, PreparedRun, prepare, read_against
from lesionlab.benchmark.run import run_benchmark
from lesionlab.benchmark.table import Benchmark, BenchmarkedRecipe, FigureRow, PairedDifference, RunOutcome

__all__ = [
    "Benchmark",
    "BenchmarkedRecipe",
    "FigureRow",
    "PairedDifference",
    "PlannedRun",
    "PreparedRecipe",
    "PreparedRun",
    "RunOutcome",
    "prepare",
    "read_against",
    "read_plan",
    "render_markdown",
    "run_benchmark",
]
