"""The search with real trainings: results, pruning, failures, and what is read."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from lesionlab import RESEARCH_ONLY
from lesionlab.data import Manifest
from lesionlab.errors import LesionlabError, UsageError
from lesionlab.experiments.tuning import SearchSpace, StudySettings, TuningResult, read_space, tune
from lesionlab.recipes import Recipe, load_recipe, prepare_split
from lesionlab.recipes.schema import Metric
from lesionlab.runs import RunFolder
from lesionlab.training import train_recipe

MakeRecipe = Callable[..., Recipe]
RANGES = ("optimizer.learning_rate=1e-3:1e-1:log", "training.batch_size=16,32")


def search(space: SearchSpace, manifest: Manifest, folder: Path, trials: int, **settings: Any) -> TuningResult:
    images, split = prepare_split(space.recipe, manifest)
    return tune(space, images, split, folder, StudySettings(name="study", trials=trials, **settings))


@pytest.mark.slow
def test_a_search_writes_a_recipe_the_trials_and_a_report(
    phantoms: Manifest, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    shutil.copytree(phantoms.root, tmp_path / "data")
    manifest = Manifest(tmp_path / "data", phantoms.records)
    space = read_space(make_recipe("training.monitor=macro_auc"), RANGES)
    images, split = prepare_split(space.recipe, manifest)
    for record in images.select(split.subsets()["test"]):
        Path(images.location(record)).unlink()  # reading one would be an error
    out = tmp_path / "out"
    found = search(space, manifest, out, 3)
    assert found.states == {"complete": 3, "pruned": 0, "fail": 0}
    assert found.validation_images == len(split.subsets()["validation"])
    values = [row.value for row in found.best]
    assert values == sorted(values, reverse=True)
    (own,) = [row for row in found.best if row.present]
    assert (own.trial, own.settings, own.difference) == (
        0,
        {"optimizer.learning_rate": 0.002, "training.batch_size": 16},
        None,
    )
    for row in found.best:
        run = RunFolder(out / f"trials/trial-{row.trial:04}")
        assert row.value == max(epoch["validation_macro_auc"] for epoch in run.read_history())
        assert row.estimate is not None
        assert row.estimate.value == pytest.approx(row.value, abs=1e-6)
        if row.difference is not None:
            assert row.difference.value == pytest.approx(row.value - own.value, abs=1e-6)
        assert not run.last.parent.exists()
        assert run.recipe() == space.recipe.model_copy(
            update={
                "optimizer": space.recipe.optimizer.model_copy(
                    update={"learning_rate": row.settings["optimizer.learning_rate"]}
                ),
                "training": space.recipe.training.model_copy(
                    update={"batch_size": row.settings["training.batch_size"]}
                ),
            }
        )
    best = load_recipe(str(out / "recipe.toml"))
    assert best.name == "phantom-demo-tuned"
    assert best.optimizer.learning_rate == found.best[0].settings["optimizer.learning_rate"]
    with (out / "trials.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["state"] for row in rows] == ["complete"] * 3
    assert {float(row["value"]) for row in rows} == set(values)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert RESEARCH_ONLY in page
    assert "the recipe" in page
    # Trained alone, the recipe gives the same value: the search has changed nothing else.
    alone = train_recipe(best, phantoms, tmp_path / "alone")
    assert max(row["validation_macro_auc"] for row in alone.read_history()) == found.best[0].value
    again = search(space, manifest, out, 3)
    assert again == found
    with pytest.raises(UsageError, match="holds a study 'study' of another recipe"):
        search(read_space(make_recipe(), RANGES), manifest, out, 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "metric", ["balanced_accuracy", "accuracy", "macro_f1", "within_source_auc", "histology_auc", "loss"]
)
def test_every_monitored_metric_has_an_interval(
    phantoms: Manifest, make_recipe: MakeRecipe, metric: Metric, tmp_path: Path
) -> None:
    recipe = make_recipe(f"training.monitor={metric}", "optimizer.learning_rate=0.01", "training.epochs=1")
    found = search(read_space(recipe, ["model.dropout=0:0.5"]), phantoms, tmp_path / "out", 1)
    assert found.minimized == (metric == "loss")
    (row,) = found.best
    assert row.estimate is not None
    assert row.estimate.value == pytest.approx(row.value, rel=1e-5)
    assert row.estimate.low is not None
    assert row.estimate.high is not None
    assert row.estimate.low <= row.value <= row.estimate.high


@pytest.mark.slow
def test_a_trial_that_diverges_has_failed(phantoms: Manifest, make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe("training.epochs=1", "optimizer.gradient_clip=0", "optimizer.warmup_epochs=0")
    space = read_space(recipe, ["optimizer.learning_rate=0.002,1e30"])
    found = search(space, phantoms, tmp_path / "out", 4)
    assert found.states["complete"] + found.states["fail"] == 4
    assert found.states["complete"] >= 1
    assert found.states["fail"] >= 1
    states = {str(row["optimizer.learning_rate"]): row["state"] for row in found.trials}
    assert states == {"0.002": "complete", "1e+30": "fail"}
    only = read_space(recipe, ["optimizer.learning_rate=1e30,1e31"])
    with pytest.raises(LesionlabError, match="none of 1 trials was completed"):
        search(only, phantoms, tmp_path / "none", 1)


@pytest.mark.slow
def test_a_trial_below_the_median_is_pruned(
    phantoms: Manifest, make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optuna.Trial, "should_prune", lambda trial: trial.number == 1)
    space = read_space(make_recipe("training.epochs=3"), ["model.dropout=0:0.5"])
    found = search(space, phantoms, tmp_path / "out", 2)
    assert found.states == {"complete": 1, "pruned": 1, "fail": 0}
    assert [row["epochs"] for row in found.trials] == [3, 1]
    assert len(RunFolder(tmp_path / "out/trials/trial-0001").read_history()) == 1
    assert [row.trial for row in found.best] == [0]


@pytest.mark.slow
def test_an_interrupted_trial_is_resumed(
    phantoms: Manifest, make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe("training.epochs=3")
    space = read_space(recipe, ["model.dropout=0:0.5"])
    report = optuna.Trial.report

    def interrupted(trial: optuna.Trial, value: float, step: int) -> None:
        report(trial, value, step)
        if step == 2:
            raise OSError("an error that has nothing to do with the settings")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="nothing to do"):
        patch.setattr(optuna.Trial, "report", interrupted)
        search(space, phantoms, tmp_path / "out", 1)
    found = search(space, phantoms, tmp_path / "out", 1)
    assert [(row["trial"], row["epochs"], row["folder"]) for row in found.trials] == [(1, 3, "trials/trial-0000")]
    run = RunFolder(tmp_path / "out/trials/trial-0000")
    assert "resuming" in run.log.read_text(encoding="utf-8")
    whole = train_recipe(recipe, phantoms, tmp_path / "whole")
    column = "validation_balanced_accuracy"
    assert [row[column] for row in run.read_history()] == [row[column] for row in whole.read_history()]
    study = optuna.load_study(study_name="study", storage=f"sqlite:///{tmp_path / 'out/study.db'}")
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.COMPLETE]
    assert list(study.trials[1].intermediate_values) == [1, 2, 3]
