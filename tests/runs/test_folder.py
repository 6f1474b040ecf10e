"""Contents of the run folder, and errors."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lesionlab.data import Manifest, make_split
from lesionlab.errors import DataError, RecipeError
from lesionlab.recipes import Recipe
from lesionlab.runs import RunFolder, RunRecord


@pytest.fixture
def record(phantoms: Manifest) -> RunRecord:
    return RunRecord(
        recipe_name="phantom-demo",
        data_root=str(phantoms.root),
        lesions_known=True,
        manifest_sha256=phantoms.sha256,
        split_sha256="0" * 64,
        leaky=False,
        environment={"torch": "1"},
    )


def test_a_new_run_is_read_back(
    tmp_path: Path, phantoms: Manifest, record: RunRecord, make_recipe: Callable[..., Recipe]
) -> None:
    run = RunFolder(tmp_path / "runs" / "first")
    assert not run.exists()
    recipe, split = make_recipe(), make_split(phantoms)
    run.begin(record, recipe, phantoms, split)
    assert run.exists()
    again = RunFolder(run.path)
    assert (again.record(), again.recipe(), again.split()) == (record, recipe, split)
    assert again.manifest() == phantoms
    assert again.read_history() == []
    again.save_record(record.model_copy(update={"finished": True, "fold": 2}))
    assert (run.record().finished, run.record().fold) == (True, 2)


def test_images_can_be_moved(tmp_path: Path, phantoms: Manifest, tiny_run: RunFolder) -> None:
    moved = tiny_run.manifest(tmp_path / "elsewhere")
    assert moved.root == tmp_path / "elsewhere"
    assert moved.sha256 == phantoms.sha256
    assert moved.lesions_known


def test_the_history_has_a_row_per_epoch(tiny_run: RunFolder) -> None:
    history = tiny_run.read_history()
    assert [row["epoch"] for row in history] == [1, 2]
    assert all(0 <= row["validation_balanced_accuracy"] <= 1 for row in history)


def test_another_folder_is_an_error(tmp_path: Path, tiny_run: RunFolder) -> None:
    with pytest.raises(DataError, match=r"is not a run folder \(no run\.json\); `lesionlab train` makes one"):
        RunFolder(tmp_path).record()
    shutil.copytree(tiny_run.path, tmp_path / "run")
    run = RunFolder(tmp_path / "run")
    for text in ("{", "[]", '{"recipe_name": "x"}'):
        run.record_file.write_text(text)
        with pytest.raises(DataError, match=r"run\.json is damaged"):
            run.record()
    (run.path / "recipe.toml").write_text("name =")
    with pytest.raises(RecipeError, match=r"recipe\.toml is not valid TOML"):
        run.recipe()
    (run.path / "split.json").unlink()
    with pytest.raises(DataError, match=r"split\.json: the split cannot be read"):
        run.split()
