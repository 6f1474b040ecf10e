"""Checks before the first training."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lesionlab.data import Manifest
from lesionlab.errors import DataError, LesionlabError, UsageError
from lesionlab.evaluation.predictions_file import read_predictions
from lesionlab.experiments.reproduction import PlannedRun, PreparedRun, prepare, read_against
from lesionlab.recipes import Recipe, SplitProtocol
from lesionlab.runs import RunRecord

WriteRecipe = Callable[..., Path]


def planned(recipe: object, **settings: object) -> PlannedRun:
    return PlannedRun.model_validate({"recipe": str(recipe), **settings})


def begin(run: PreparedRun, *, finished: bool = False) -> None:
    record = RunRecord(
        recipe_name=run.recipe.name,
        data_root=str(run.manifest.root),
        lesions_known=True,
        manifest_sha256=run.manifest.sha256,
        split_sha256=run.split.sha256,
        leaky=run.split.leaky,
        environment={},
        finished=finished,
    )
    run.run.begin(record, run.recipe, run.manifest, run.split)


def test_both_protocols_are_prepared_without_writing(
    write_recipe: WriteRecipe, phantoms: Manifest, tmp_path: Path
) -> None:
    (one,) = prepare([planned(write_recipe())], phantoms, tmp_path / "out")
    assert [run.protocol for run in one.runs] == [SplitProtocol.PUBLISHED, SplitProtocol.LESION]
    assert [run.split.leaky for run in one.runs] == [True, False]
    assert [run.subset for run in one.runs] == ["test", "test"]
    assert not (tmp_path / "out").exists()


def test_the_published_subset_is_the_one_of_the_authors(
    write_recipe: WriteRecipe, phantoms: Manifest, tmp_path: Path
) -> None:
    (one,) = prepare([planned(write_recipe("published.subset=validation"))], phantoms, tmp_path / "out")
    assert [run.subset for run in one.runs] == ["validation", "test"]


def test_without_a_published_split_the_split_by_lesion_remains(
    make_recipe: Callable[..., Recipe], phantoms: Manifest, tmp_path: Path
) -> None:
    tiny = ["model.backbone=test_efficientnet", "model.pretrained=false"]
    (one,) = prepare([planned("phantom-demo", set=tiny)], phantoms, tmp_path / "out")
    assert [run.protocol for run in one.runs] == [SplitProtocol.LESION]
    with pytest.raises(UsageError, match=r"recipe phantom-demo has no table \[published\]"):
        prepare([planned("phantom-demo", set=tiny, protocols=["published"])], phantoms, tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.epoch=3", "unknown key training.epoch; did you mean epochs"),
        ("model.backbone=resnetzz", "timm has no 'resnetzz'"),
        ("split.test=0", "the split protocol lesion has no test images"),
    ],
)
def test_errors_of_the_last_recipe_are_found_first(
    change: str, message: str, write_recipe: WriteRecipe, phantoms: Manifest, tmp_path: Path
) -> None:
    good, other = write_recipe(), write_recipe(name="other")
    with pytest.raises(LesionlabError, match=message):
        prepare([planned(good), planned(other, set=[change])], phantoms, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_class_that_is_too_small_to_split_is_found_before_the_first_training(
    write_recipe: WriteRecipe, phantoms: Manifest, tmp_path: Path
) -> None:
    one_vascular = next(record for record in phantoms if record.diagnosis == "vasc")
    few = phantoms.select(
        record.image_id for record in phantoms if record.diagnosis != "vasc" or record.image_id == one_vascular.image_id
    )
    with pytest.raises(DataError, match="class vasc has 1 image: too few for train, validation and test"):
        prepare([planned(write_recipe())], few, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_recipe_that_is_planned_twice_is_an_error(
    write_recipe: WriteRecipe, phantoms: Manifest, tmp_path: Path
) -> None:
    one = planned(write_recipe())
    with pytest.raises(UsageError, match="recipe tiny-published is planned twice"):
        prepare([one, one], phantoms, tmp_path / "out")


def test_a_folder_with_another_run_is_an_error(write_recipe: WriteRecipe, phantoms: Manifest, tmp_path: Path) -> None:
    (one,) = prepare([planned(write_recipe())], phantoms, tmp_path / "out")
    for run in one.runs:
        begin(run)
    prepare([planned(write_recipe())], phantoms, tmp_path / "out")
    for change in ("training.epochs=2", "split.seed=1"):
        with pytest.raises(UsageError, match="holds a run of another recipe, dataset or split"):
            prepare([planned(write_recipe(), set=[change])], phantoms, tmp_path / "out")


def test_a_compared_run_is_finished_and_evaluated(
    write_recipe: WriteRecipe, phantoms: Manifest, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="is not a run folder"):
        read_against(tmp_path)
    (one,) = prepare([planned(write_recipe(), protocols=["lesion"])], phantoms, tmp_path / "out")
    begin(one.runs[0])
    with pytest.raises(DataError, match="is not finished"):
        read_against(one.runs[0].run.path)
    begin(one.runs[0], finished=True)
    with pytest.raises(DataError, match="has no predictions of the test set"):
        read_against(one.runs[0].run.path)


def test_a_compared_run_has_a_compatible_task(write_recipe: WriteRecipe, phantoms: Manifest, tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    header = "image_id,lesion_id,diagnosis,predicted,p_benign,p_malignant"
    path.write_text(f"{header}\na,b,nv,benign,0.75,0.25\n", encoding="utf-8")
    with pytest.raises(UsageError, match="is of task malignant, recipe tiny-published of task diagnosis"):
        prepare([planned(write_recipe())], phantoms, tmp_path / "out", against=read_predictions(path))
