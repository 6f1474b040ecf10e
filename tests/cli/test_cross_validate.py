"""Tests of `lesionlab cross-validate`."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lesionlab import RESEARCH_ONLY
from lesionlab.data import Manifest
from lesionlab.runs import RunFolder

TINY = (
    "--set", "model.backbone=test_efficientnet", "--set", "model.pretrained=false", "--set", "input.size=32",
    "--set", "training.epochs=1",
)  # fmt: skip


@pytest.mark.slow
def test_folds_are_tabulated(cli: Callable[..., Any], phantoms: Manifest, tmp_path: Path) -> None:
    arguments = ("cross-validate", "phantom-demo", "--data", phantoms.root, "--out", tmp_path / "out", "--folds", 3)
    done = cli(*arguments, *TINY)
    assert done.code == 0
    assert "fold 3 of 3" in done.err
    assert "each predicted by a model not trained on it" in " ".join(done.out.split())
    assert RESEARCH_ONLY in done.out
    (line,) = [line for line in done.out.splitlines() if "balanced accuracy" in line]
    found = json.loads(cli(*arguments, *TINY, "--json").out)
    assert f"{found['overall']['balanced_accuracy']['value']:.3f}" in line
    assert line.split()[-1] == f"{max(fold['figures']['balanced_accuracy']['value'] for fold in found['folds']):.3f}"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.filterwarnings("ignore")  # of MLflow's own code
@pytest.mark.parametrize("jobs", [1, 2])
def test_each_fold_is_a_run_of_the_tracker(
    cli: Callable[..., Any], phantoms: Manifest, tmp_path: Path, jobs: int
) -> None:
    from mlflow.tracking import MlflowClient

    out, store = tmp_path / "out", tmp_path / "store"
    arguments = ("cross-validate", "phantom-demo", "--data", phantoms.root, "--out", out, "--folds", 3, *TINY)
    done = cli(*arguments, "--jobs", jobs, "--track", f"mlflow={store}")
    assert done.code == 0, done.err
    assert "INFO" not in done.err
    client = MlflowClient(f"sqlite:///{store / 'mlflow.db'}")
    (experiment,) = client.search_experiments(filter_string="name = 'phantom-demo'")
    found = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert sorted(found) == [str(out / f"fold-{fold}") for fold in range(3)]
    for fold in range(3):
        folder = RunFolder(out / f"fold-{fold}")
        run = found[str(folder.path)]
        assert (run.info.status, run.data.params["run.fold"]) == ("FINISHED", str(fold))
        (epoch,) = folder.read_history()
        assert run.data.metrics["validation_macro_auc"] == pytest.approx(epoch["validation_macro_auc"])


@pytest.mark.slow
def test_held_out_sources_are_tabulated(cli: Callable[..., Any], phantoms: Manifest, tmp_path: Path) -> None:
    halves = {lesion: "ab"[n % 2] for n, lesion in enumerate(sorted({record.lesion_id for record in phantoms}))}
    records = tuple(replace(record, source=halves[record.lesion_id]) for record in phantoms)
    replace(phantoms, records=records).save(tmp_path / "table.csv")
    arguments = ("cross-validate", "phantom-demo", "--data", phantoms.root, "--out", tmp_path / "out")
    done = cli(*arguments, "--metadata", tmp_path / "table.csv", "--group-by", "source", *TINY)
    assert (done.code, "fold 2 of 2: b held out" in done.err) == (0, True)
    assert [line.split()[0] for line in done.out.splitlines() if line.startswith((" a ", " b "))] == ["a", "b"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["phantom-demo", "--folds", "2"], "--folds"),
        (["phantom-demo", "--jobs", "0"], "--jobs"),
        (["phantom-demo", "--folds", "3", "--group-by", "source"], "--folds and --group-by exclude each other"),
        (["phantom-demo", "--group-by", "source"], "folds by source need at least two"),
        (["phantom-demi"], "did you mean phantom-demo?"),
        (["phantom-demo", "--set", "model.start=nowhere"], "nowhere is not a run folder"),
    ],
)
def test_wrong_usage_is_reported_and_nothing_is_written(
    cli: Callable[..., Any], arguments: list[str], message: str, phantoms: Manifest, tmp_path: Path
) -> None:
    done = cli("cross-validate", *arguments, "--data", phantoms.root, "--out", tmp_path / "out")
    assert done.code in (1, 2)
    assert message in " ".join(done.err.split())
    assert not (tmp_path / "out").exists()
