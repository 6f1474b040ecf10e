"""Execution of a reproduction: each run is trained, exported and evaluated; the table is written after each run."""

import datetime as dt
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from lesionlab.evaluation import dataset_name
from lesionlab.evaluation.comparison import ComparedMetric, compare_predictions
from lesionlab.evaluation.predictions import Predictions
from lesionlab.evaluation.predictions_file import find_predictions, read_predictions
from lesionlab.experiments.completion import RESAMPLES, Bar, complete_run, describe_platform, no_bar
from lesionlab.experiments.reproduction.markdown import render_markdown
from lesionlab.experiments.reproduction.prepare import PreparedRecipe, PreparedRun
from lesionlab.experiments.reproduction.table import (
    PairedDifference,
    ReproducedRecipe,
    Reproduction,
    RunOutcome,
    figure_rows,
    headlines_of,
)
from lesionlab.files import write_json, write_text
from lesionlab.metrics import Estimate
from lesionlab.recipes import SplitProtocol

logger = logging.getLogger(__name__)

JSON, MARKDOWN = "reproduction.json", "reproduction.md"


def reproduce(
    prepared: Sequence[PreparedRecipe],
    out: Path,
    *,
    against: Predictions | None = None,
    console: Console | None = None,
    bar: Bar = no_bar,
) -> Reproduction:
    """Complete all runs; write `reproduction.json` and `reproduction.md` after each run.

    Finished runs are used unchanged, and their test subset is not read again. An interrupted run is resumed.

    Args:
        prepared: The checked recipes; see `prepare`.
        out: Output folder.
        against: Predictions of a run to compare with, for the test images of the split by lesion.
        console: Where to show the progress of the training; None for none.
        bar: Makes a progress bar with a title.
    """
    outcomes: dict[tuple[str, SplitProtocol], RunOutcome] = {}
    runs = [run for one in prepared for run in one.runs]
    for position, run in enumerate(runs, start=1):
        logger.info("%d of %d: recipe %s, split protocol %s", position, len(runs), run.recipe.name, run.protocol.value)
        metrics = complete_run(
            run.run, run.recipe, run.manifest, run.split, subset=run.subset, console=console, bar=bar
        )
        outcomes[run.recipe.name, run.protocol] = _outcome(run, metrics, out, against)
        reproduction = _assembled(prepared, outcomes, against)
        write_json(out / JSON, reproduction.model_dump(mode="json"))
        write_text(out / MARKDOWN, render_markdown(reproduction))
    return reproduction


def _outcome(prepared: PreparedRun, metrics: dict[str, Any], out: Path, against: Predictions | None) -> RunOutcome:
    run, record, history = prepared.run, prepared.run.record(), prepared.run.read_history()
    figures = dict(metrics["overall"])
    for code, of_class in metrics["per_class"].items():
        figures |= {f"{code}.{name}": estimate for name, estimate in of_class.items()}
    estimates = {name: Estimate.model_validate(estimate) for name, estimate in figures.items()}
    pairs: dict[str, PairedDifference] = {}
    if against is not None and prepared.protocol is SplitProtocol.LESION:
        for name, compared in _compared(prepared, against).items():
            pairs[name] = PairedDifference(value=compared.b, difference=compared.difference)
            estimates.setdefault(name, compared.a)
    return RunOutcome(
        folder=str(run.path.relative_to(out)),
        bundle=metrics["bundle"],
        subset=prepared.subset,
        unseen=metrics["unseen"],
        leaky=metrics["leaky"],
        n_images=metrics["n_images"],
        n_lesions=metrics["n_lesions"],
        images={subset: len(ids) for subset, ids in prepared.split.subsets().items()},
        manifest_sha256=record.manifest_sha256,
        split_sha256=record.split_sha256,
        epochs=len(history),
        training_seconds=round(sum(row["seconds"] for row in history), 1),
        weights=record.weights,
        environment=record.environment,
        figures=estimates,
        against=pairs,
    )


def _compared(prepared: PreparedRun, against: Predictions) -> dict[str, ComparedMetric]:
    """Compare the headline figures of the recipe's task with another run on the same images."""
    own = read_predictions(find_predictions(prepared.run.path, prepared.subset))
    comparison = compare_predictions(own, against, resamples=RESAMPLES)
    found = {row.metric: row for row in comparison.metrics}
    return {name: found[metric] for name, metric in headlines_of(prepared.recipe.task).items() if metric in found}


def _assembled(
    prepared: Sequence[PreparedRecipe],
    outcomes: dict[tuple[str, SplitProtocol], RunOutcome],
    against: Predictions | None,
) -> Reproduction:
    return Reproduction(
        dataset=dataset_name(prepared[0].runs[0].manifest),
        date=dt.datetime.now(dt.UTC).date().isoformat(),
        environment=describe_platform(),
        resamples=RESAMPLES,
        against=against.model if against else None,
        recipes=tuple(_reproduced(one, outcomes) for one in prepared),
    )


def _reproduced(one: PreparedRecipe, outcomes: dict[tuple[str, SplitProtocol], RunOutcome]) -> ReproducedRecipe:
    recipe, published = one.recipe, one.recipe.published
    planned = [run.protocol for run in one.runs]
    runs = {key: outcomes[recipe.name, key] for key in planned if (recipe.name, key) in outcomes}
    measured = {name for run in runs.values() for name in run.figures}
    return ReproducedRecipe(
        name=recipe.name,
        system=published.system if published else "",
        task=recipe.task,
        changes=one.planned.changes,
        remark=one.planned.remark,
        note=published.note if published else "",
        recipe=recipe,
        runs=runs,
        pending=tuple(key for key in planned if key not in runs),
        figures=figure_rows(recipe, runs),
        unmeasured={k: v for k, v in published.figures.items() if k not in measured} if published and runs else {},
    )
