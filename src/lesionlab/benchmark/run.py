"""Running a benchmark: each run is trained, exported and judged, and the table is written anew after each of them."""

import datetime as dt
import json
import logging
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from lesionlab import __version__
from lesionlab.benchmark.markdown import render_markdown
from lesionlab.benchmark.prepare import PreparedRecipe, PreparedRun
from lesionlab.benchmark.table import (
    HEADLINES,
    Benchmark,
    BenchmarkedRecipe,
    PairedDifference,
    RunOutcome,
    figure_rows,
)
from lesionlab.bundle import Bundle
from lesionlab.errors import DataError
from lesionlab.evaluation import evaluate_run
from lesionlab.evaluation.comparison import ComparedMetric, compare_predictions
from lesionlab.evaluation.figures.curves import write_curves
from lesionlab.evaluation.predictions_file import METRICS, Predictions, find_predictions, read_predictions
from lesionlab.export import export_run
from lesionlab.files import write_json, write_text
from lesionlab.metrics import Estimate
from lesionlab.recipes import Arrangement
from lesionlab.training import train_recipe

logger = logging.getLogger(__name__)

RESAMPLES = 1000
JSON, MARKDOWN = "benchmark.json", "benchmark.md"

Bar = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]


@contextmanager
def _no_bar(_: str) -> Iterator[Callable[[int, int], None]]:
    yield lambda done, total: None  # noqa: ARG005 # nobody watches


def run_benchmark(
    prepared: Sequence[PreparedRecipe],
    out: Path,
    *,
    against: Predictions | None = None,
    console: Console | None = None,
    bar: Bar = _no_bar,
) -> Benchmark:
    """Run what is not done yet, and write `benchmark.json` and `benchmark.md` after each run.

    A finished run is used as it is and its test part is not read again; an interrupted one goes on.

    Args:
        prepared: What `prepare` checked.
        out: The benchmark's folder.
        against: Predictions of a run to compare with, for the test images of the split by lesion.
        console: Where to show the progress of the training; None shows none.
        bar: Called with a few words, gives a context whose value is told the things done and the things in all.

    Returns:
        The whole table.
    """
    outcomes: dict[tuple[str, Arrangement], RunOutcome] = {}
    every = [run for one in prepared for run in one.runs]
    for position, run in enumerate(every, start=1):
        logger.info("%d of %d: recipe %s, arrangement %s", position, len(every), run.recipe.name, run.arrangement.value)
        if not run.finished:
            _train(run, console, bar)
        if not run.run.bundle.exists():
            with bar("calibrating") as progress:
                export_run(run.run, data_root=run.manifest.root, progress=progress)
        if not _is_evaluated(run):
            with bar("judging images") as progress:
                evaluate_run(
                    run.run, part=run.part, data_root=run.manifest.root, resamples=RESAMPLES, progress=progress
                )
        outcomes[run.recipe.name, run.arrangement] = _outcome(run, out, against)
        benchmark = _assembled(prepared, outcomes, against)
        write_json(out / JSON, benchmark.model_dump(mode="json"))
        write_text(out / MARKDOWN, render_markdown(benchmark))
    return benchmark


def _train(prepared: PreparedRun, console: Console | None, bar: Bar) -> None:
    with bar("decoding images") as decoding:
        run = train_recipe(
            prepared.recipe,
            prepared.manifest,
            prepared.run.path,
            split=prepared.split,
            console=console,
            decoding_progress=decoding,
        )
    write_curves(run.read_history(), run.curves, monitor=run.recipe().training.monitor, leaky=run.record().leaky)


def _is_evaluated(prepared: PreparedRun) -> bool:
    """Tell whether the bundle as it is was judged on this part. `metrics.json` is written last."""
    if not (prepared.run.evaluation / prepared.part / METRICS).exists():
        return False
    return bool(_metrics(prepared)["graph_sha256"] == Bundle.load(prepared.run.bundle).info.graph_sha256)


def _metrics(prepared: PreparedRun) -> dict[str, Any]:
    path = prepared.run.evaluation / prepared.part / METRICS
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}); move it away and run the benchmark again") from error
    return found


def _outcome(prepared: PreparedRun, out: Path, against: Predictions | None) -> RunOutcome:
    run, record, metrics, history = prepared.run, prepared.run.record(), _metrics(prepared), prepared.run.read_history()
    figures = dict(metrics["overall"])
    for code, of_class in metrics["per_class"].items():
        figures |= {f"{code}.{name}": estimate for name, estimate in of_class.items()}
    estimates = {name: Estimate.model_validate(estimate) for name, estimate in figures.items()}
    pairs: dict[str, PairedDifference] = {}
    if against is not None and prepared.arrangement is Arrangement.LESION:
        for name, compared in _compared(prepared, against).items():
            pairs[name] = PairedDifference(value=compared.b, difference=compared.difference)
            estimates.setdefault(name, compared.a)
    return RunOutcome(
        folder=str(run.path.relative_to(out)),
        bundle=metrics["bundle"],
        part=prepared.part,
        unseen=metrics["unseen"],
        leaky=metrics["leaky"],
        n_images=metrics["n_images"],
        n_lesions=metrics["n_lesions"],
        images={part: len(ids) for part, ids in prepared.split.parts().items()},
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
    """Compare the headlines of the recipe's task with another run's, on the same images."""
    own = read_predictions(find_predictions(prepared.run.path, prepared.part))
    comparison = compare_predictions(own, against, resamples=RESAMPLES)
    found = {row.metric: row for row in comparison.metrics}
    return {name: found[metric] for name, metric in HEADLINES[prepared.recipe.task].items() if metric in found}


def _assembled(
    prepared: Sequence[PreparedRecipe],
    outcomes: dict[tuple[str, Arrangement], RunOutcome],
    against: Predictions | None,
) -> Benchmark:
    sources = sorted({record.source for record in prepared[0].runs[0].manifest} - {"unknown"})
    return Benchmark(
        dataset=" + ".join(sources) or prepared[0].runs[0].manifest.root.resolve().name,
        date=dt.datetime.now(dt.UTC).date().isoformat(),
        environment={
            "lesionlab": __version__,
            "python": platform.python_version(),
            "platform": f"{platform.system()} {platform.machine()}",
        },
        resamples=RESAMPLES,
        against=against.model if against else None,
        recipes=tuple(_benchmarked(one, outcomes) for one in prepared),
    )


def _benchmarked(one: PreparedRecipe, outcomes: dict[tuple[str, Arrangement], RunOutcome]) -> BenchmarkedRecipe:
    recipe, published = one.recipe, one.recipe.published
    asked = [run.arrangement for run in one.runs]
    runs = {key: outcomes[recipe.name, key] for key in asked if (recipe.name, key) in outcomes}
    measured = {name for run in runs.values() for name in run.figures}
    return BenchmarkedRecipe(
        name=recipe.name,
        system=published.system if published else "",
        task=recipe.task,
        changes=one.planned.changes,
        remark=one.planned.remark,
        note=published.note if published else "",
        recipe=recipe,
        runs=runs,
        pending=tuple(key for key in asked if key not in runs),
        figures=figure_rows(recipe, runs),
        unmeasured={k: v for k, v in published.figures.items() if k not in measured} if published and runs else {},
    )
