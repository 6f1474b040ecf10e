"""Tests of `lesionlab export`."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lesionlab.bundle import Bundle
from lesionlab.data import Manifest
from lesionlab.runs import RunFolder


@pytest.mark.slow
def test_run_is_exported_to_a_zip_file(
    cli: Callable[..., Any], tiny_run: RunFolder, phantoms: Manifest, tmp_path: Path
) -> None:
    shutil.copytree(tiny_run.path, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    run.save_record(run.record().model_copy(update={"data_root": str(tmp_path / "gone")}))
    done = cli("export", run.path, "--out", tmp_path / "model.zip", "--data", phantoms.root)
    assert (done.code, done.out) == (0, "")
    assert f"bundle {tmp_path / 'model.zip'}: temperature" in done.err
    assert Bundle.load(tmp_path / "model.zip").info == Bundle.load(tiny_run.path).info


@pytest.mark.slow
def test_new_export_keeps_the_test_results(cli: Callable[..., Any], tiny_run: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(tiny_run.path, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    cli("evaluate", "--model", run.path)
    before = Bundle.load(run.path)
    assert cli("export", run.path).code == 2  # the bundle exists
    assert cli("export", run.path, "--force").code == 0
    after = Bundle.load(run.path)
    assert after.info == before.info.model_copy(update={"evaluation_sha256": after.info.evaluation_sha256})
    assert after.evaluation is not None
    assert before.evaluation is not None
    # Its curves come from probabilities of six decimals, its figures from the metrics of then.
    assert after.evaluation.overall == before.evaluation.overall
    assert after.evaluation.subgroups == before.evaluation.subgroups
    (run.evaluation / "test" / "predictions.csv").write_text("image_id")
    done = cli("export", run.path, "--force")
    assert done.code == 1
    assert "predictions.csv does not have the columns" in done.err


def test_unfinished_run_is_an_error(cli: Callable[..., Any], tiny_run: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(tiny_run.path, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    run.save_record(run.record().model_copy(update={"finished": False}))
    done = cli("export", run.path, "--force")
    assert done.code == 1
    assert done.err.startswith(f"error: {run.path} is not finished")
