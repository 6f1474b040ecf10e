"""Completion of a run from any state."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lesionlab.data import Manifest
from lesionlab.errors import DataError, UsageError
from lesionlab.experiments import complete_run, require_same_run
from lesionlab.recipes import Recipe, prepare_split
from lesionlab.runs import RunFolder, RunRecord


@pytest.mark.slow
def test_finished_steps_are_not_repeated(
    make_recipe: Callable[..., Recipe], phantoms: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, run = make_recipe("training.epochs=1"), RunFolder(tmp_path / "run")
    manifest, split = prepare_split(recipe, phantoms)
    first = complete_run(run, recipe, manifest, split)
    assert first["subset"] == "test"
    assert first["times_test_was_read"] == 1
    assert run.curves.exists()
    assert complete_run(run, recipe, manifest, split) == first
    (run.bundle / "bundle.json").unlink()
    run.bundle.rename(tmp_path / "away")
    repeated = complete_run(run, recipe, manifest, split)
    assert run.bundle.exists()
    assert repeated["prediction_sha256"] == first["prediction_sha256"]
    (run.evaluation / "test" / "metrics.json").write_text("[]")
    with pytest.raises(DataError, match="damaged; move it away"):
        complete_run(run, recipe, manifest, split)


def test_another_run_in_the_folder_is_an_error(
    phantoms: Manifest, make_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe, run = make_recipe(), RunFolder(tmp_path / "run")
    manifest, split = prepare_split(recipe, phantoms)
    require_same_run(run, recipe, manifest, split)
    record = RunRecord(
        recipe_name=recipe.name,
        data_root=str(manifest.root),
        lesions_known=True,
        manifest_sha256=manifest.sha256,
        split_sha256=split.sha256,
        leaky=False,
        environment={},
    )
    run.begin(record, recipe, manifest, split)
    require_same_run(run, recipe, manifest, split)
    for changed, fold in ((make_recipe("seed=3"), None), (recipe, 1)):
        with pytest.raises(UsageError, match="holds a run of another recipe, dataset or split"):
            require_same_run(run, changed, manifest, split, fold)
