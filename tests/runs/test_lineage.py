"""Earlier runs are found recursively, each once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lesionlab.data import Manifest, make_split
from lesionlab.errors import DataError
from lesionlab.recipes import Recipe
from lesionlab.runs import RunFolder, RunRecord, earlier_runs, require_same_subsets, training_seconds

Begin = Callable[..., RunFolder]


@pytest.fixture
def begin(tmp_path: Path, phantoms: Manifest, make_recipe: Callable[..., Recipe]) -> Begin:
    split = make_split(phantoms)

    def make(name: str, *changes: str, seconds: int = 60, finished: bool = True, fold: int | None = None) -> RunFolder:
        run = RunFolder(tmp_path / name)
        record = RunRecord(
            recipe_name="phantom-demo",
            data_root=str(phantoms.root),
            lesions_known=True,
            manifest_sha256=phantoms.sha256,
            split_sha256=split.sha256,
            fold=fold,
            leaky=False,
            environment={},
            finished=finished,
        )
        run.begin(record, make_recipe(*changes), phantoms, split)
        run.history.write_text(f"epoch,seconds\n1,{seconds}\n2,{seconds}\n", encoding="utf-8")
        return run

    return make


def test_starts_and_teachers_are_followed_recursively(begin: Begin) -> None:
    first = begin("first", seconds=100)
    second = begin("second", f"model.start={first.path}", seconds=10)
    student = begin(
        "student", f"model.start={second.path}", f"distillation.teachers={[str(first.path), str(second.path)]}"
    )
    found = earlier_runs([student])
    assert found is not None
    assert {run.path for run in found} == {first.path, second.path}
    assert training_seconds(found) == 220
    assert training_seconds([student]) == 120
    assert earlier_runs([first]) == []
    # Members of an ensemble are not earlier runs of each other.
    assert earlier_runs([first, second]) == []


def test_a_missing_run_gives_none(begin: Begin, tmp_path: Path) -> None:
    assert earlier_runs([begin("alone", f"model.start={tmp_path / 'gone'}")]) is None


def test_a_run_of_another_split_or_fold_is_an_error(begin: Begin, phantoms: Manifest) -> None:
    split, start = make_split(phantoms), begin("start", fold=1)
    require_same_subsets(start, split, 1, "model.start")
    for other, fold in ((split, 2), (split, None), (make_split(phantoms, seed=9), 1)):
        with pytest.raises(DataError, match=r"^model\.start: .*start was trained with another split or fold"):
            require_same_subsets(start, other, fold, "model.start")
    # A run of this fold that continues from another one has indirectly seen its images.
    between = begin("between", f"model.start={start.path}", fold=2)
    with pytest.raises(DataError, match="start was trained with another split or fold"):
        require_same_subsets(between, split, 2, "distillation.teachers")
