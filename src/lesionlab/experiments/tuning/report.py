"""Results of a search: the best recipe, the table of trials, and the report."""

import csv
import io
import json
import logging
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import tomli_w
from optuna.trial import FrozenTrial, TrialState

from lesionlab import RESEARCH_ONLY
from lesionlab.base_models import StrictModel
from lesionlab.data import ImageRecord, Manifest, Split
from lesionlab.errors import LesionlabError
from lesionlab.evaluation.wording import interval, number
from lesionlab.experiments.tuning.space import SearchSpace
from lesionlab.experiments.tuning.study import ended_trials
from lesionlab.experiments.tuning.trial import read_validation
from lesionlab.files import write_text
from lesionlab.metrics import Estimate, confusion
from lesionlab.metrics.arrays import FloatArray, IntArray, weighted_mean
from lesionlab.metrics.comparison import Measure, paired_bootstrap
from lesionlab.metrics.ranking import macro_auc
from lesionlab.pages import page_environment
from lesionlab.recipes import Recipe, change_recipe
from lesionlab.taxonomy import TASKS
from lesionlab.training.within_source import WithinSource

logger = logging.getLogger(__name__)

RECIPE, TRIALS, REPORT = "recipe.toml", "trials.csv", "report.html"
_BEST = 10
_FOR_IMPORTANCE = 4  # completed trials; fewer show nothing about a setting


class TrialResult(StrictModel):
    """One of the best trials.

    Attributes:
        trial: Number of the trial.
        value: The monitored metric of its best epoch.
        estimate: The metric with its interval by lesion; None if the predictions are not in this folder.
        difference: Difference from the recipe's own settings, in pairs; None if these are not a trial.
        settings: The searched settings.
        epochs: Number of trained epochs.
        present: Whether these are the recipe's own settings.
    """

    trial: int
    value: float
    estimate: Estimate | None
    difference: Estimate | None
    settings: dict[str, Any]
    epochs: int
    present: bool


class TuningResult(StrictModel):
    """Result of a search.

    Attributes:
        notice: Limits of use.
        recipe: Name of the recipe.
        metric: The monitored metric.
        minimized: Whether a low value is better.
        validation_images: Number of validation images.
        validation_lesions: Number of their lesions.
        lesions_known: Whether the dataset identifies the lesion of each image.
        leaky: Whether lesions may be shared between training and validation.
        states: Number of trials that were completed, pruned or failed.
        importance: Share of each setting in the variance of the metric among the better trials; empty for too few
            trials.
        best: The best trials, the best one first.
        trials: All trials as rows of `trials.csv`.
    """

    notice: str = RESEARCH_ONLY
    recipe: str
    metric: str
    minimized: bool
    validation_images: int
    validation_lesions: int
    lesions_known: bool
    leaky: bool
    states: dict[str, int]
    importance: dict[str, float]
    best: tuple[TrialResult, ...]
    trials: tuple[dict[str, Any], ...]


def summarize(
    study: optuna.Study, space: SearchSpace, manifest: Manifest, split: Split, fold: int | None, folder: Path
) -> TuningResult:
    """Return the result of a study.

    Raises:
        LesionlabError: No trial was completed.
    """
    ended = ended_trials(study)
    minimized = space.recipe.training.monitor == "loss"
    completed = [trial for trial in ended if trial.state is TrialState.COMPLETE]
    if not completed:
        raise LesionlabError(
            f"none of {len(ended)} trials was completed; {folder / 'trials'} has their logs. Narrow the ranges and "
            "choose another --out"
        )
    completed.sort(key=lambda trial: (trial.value if minimized else -(trial.value or 0), trial.number))
    ids = split.subsets(fold)["validation"]
    by_id = {record.image_id: record for record in manifest}
    records = [by_id[image_id] for image_id in ids]
    present = space.present()
    own = next((trial for trial in completed if trial.params == present), None)
    reference = None if own is None else _measure(space.recipe, records, folder, own)
    best = completed[:_BEST]
    if own is not None and own not in best:
        best.append(own)
    rows = []
    for trial in best:
        measured = _measure(space.recipe, records, folder, trial)
        paired = None
        if measured is not None:
            paired = paired_bootstrap((reference or measured)[0], measured[0], measured[1], seed=space.recipe.seed)
        rows.append(
            TrialResult(
                trial=trial.number,
                value=trial.value,
                estimate=paired and paired.b,
                difference=paired.difference if paired and reference and trial is not own else None,
                settings=_values(trial),
                epochs=trial.user_attrs["epochs"],
                present=trial is own,
            )
        )
    return TuningResult(
        recipe=space.recipe.name,
        metric=space.recipe.training.monitor,
        minimized=minimized,
        validation_images=len(records),
        validation_lesions=len({record.lesion_id for record in records}),
        lesions_known=manifest.lesions_known,
        leaky=split.leaky,
        states={state.name.lower(): sum(trial.state is state for trial in ended) for state in _STATES},
        importance=_importance(study, completed),
        best=tuple(rows),
        trials=tuple(_row(trial) for trial in ended),
    )


_STATES = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def best_recipe(space: SearchSpace, result: TuningResult) -> Recipe:
    """Return the recipe with the settings of the best trial, under a name of its own."""
    best = result.best[0]
    changes = [f"{key}={json.dumps(value)}" for key, value in best.settings.items()]
    recipe = change_recipe(space.recipe, changes)
    name = recipe.name.removesuffix("-tuned") + "-tuned"
    return recipe.model_copy(update={"name": name, "published": None})


def write_results(result: TuningResult, space: SearchSpace, folder: Path) -> None:
    """Write `recipe.toml`, `trials.csv` and `report.html`.

    Raises:
        LesionlabError: A file cannot be written.
    """
    recipe = best_recipe(space, result)
    write_text(folder / RECIPE, tomli_w.dumps(recipe.model_dump(mode="json", exclude_none=True)))
    out = io.StringIO()
    writer = csv.DictWriter(out, result.trials[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(result.trials)
    write_text(folder / TRIALS, out.getvalue())
    template = page_environment(number=number, interval=interval, plain=_plain).get_template(
        "experiments/tuning/report.html.jinja"
    )
    write_text(folder / REPORT, template.render(result=result, space=space, recipe=recipe) + "\n")


def _values(trial: FrozenTrial) -> dict[str, Any]:
    categorical = optuna.distributions.CategoricalDistribution
    return {
        key: json.loads(value) if isinstance(trial.distributions[key], categorical) else value
        for key, value in trial.params.items()
    }


def _row(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "state": trial.state.name.lower(),
        "value": "" if trial.value is None or math.isnan(trial.value) else trial.value,
        "epochs": trial.user_attrs.get("epochs", 0),
        "seconds": trial.user_attrs.get("seconds", 0.0),
        "folder": f"trials/{trial.user_attrs['folder']}" if "folder" in trial.user_attrs else "",
        **{key: _plain(value) for key, value in _values(trial).items()},
    }


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.4g}" if isinstance(value, float) else json.dumps(value)


def _importance(study: optuna.Study, completed: Sequence[FrozenTrial]) -> dict[str, float]:
    if len(completed) < _FOR_IMPORTANCE or len({trial.value for trial in completed}) == 1:
        return {}
    shares = optuna.importance.get_param_importances(study)
    return {key: float(share) for key, share in shares.items()}


def _measure(
    recipe: Recipe, records: Sequence[ImageRecord], folder: Path, trial: FrozenTrial
) -> tuple[Measure, list[str]] | None:
    """Return the monitored metric of a trial's predictions and the lesions of their images; None without them."""
    found = read_validation(folder / "trials" / trial.user_attrs["folder"])
    if found is None or len(found[0]) != len(records):
        return None
    labels, probabilities = found
    task, metric = TASKS[recipe.task], recipe.training.monitor
    lesions = [record.lesion_id for record in records]
    if metric in ("within_source_auc", "histology_auc"):
        return partial(WithinSource(records, task).weighted, metric, probabilities), lesions
    determined = labels < len(task.classes)
    lesions = [lesion for lesion, known in zip(lesions, determined, strict=True) if known]
    return partial(_metric, metric, labels[determined], probabilities[determined]), lesions


def _metric(name: str, labels: IntArray, probabilities: FloatArray, weights: IntArray) -> FloatArray:
    if name == "loss":
        tiny = np.finfo(np.float64).tiny
        return weighted_mean(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], tiny)), weights)
    if name == "macro_auc":
        return macro_auc(labels, probabilities, weights)
    classes = probabilities.shape[1]
    matrix = confusion.confusion_matrix(labels, probabilities.argmax(axis=1), classes, weights)
    of_matrix: Mapping[str, Any] = {
        "accuracy": confusion.accuracy,
        "balanced_accuracy": confusion.balanced_accuracy,
        "macro_f1": confusion.macro_f1,
    }
    value: FloatArray = of_matrix[name](matrix)
    return value
