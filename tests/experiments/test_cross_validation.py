"""Cross-validation on phantoms: subsets, output files and checks before the first training."""

import csv
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from lesionlab import RESEARCH_ONLY
from lesionlab.data import Manifest, load_split
from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation.comparison import compare_predictions
from lesionlab.evaluation.predictions_file import find_predictions, read_predictions
from lesionlab.experiments import CrossValidation, cross_validate
from lesionlab.recipes import Recipe
from lesionlab.runs import RunFolder

FOLDS = 3


def check_files(found: CrossValidation, out: Path, phantoms: Manifest) -> None:
    written = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert written == found.model_dump(mode="json")
    assert written["notice"] == RESEARCH_ONLY
    with (out / "predictions.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["image_id"] for row in rows] == sorted(record.image_id for record in phantoms)
    actual, predicted = ([row[name] for row in rows] for name in ("diagnosis", "predicted"))
    assert found.overall["accuracy"].value == pytest.approx(accuracy_score(actual, predicted))
    assert found.overall["balanced_accuracy"].value == pytest.approx(balanced_accuracy_score(actual, predicted))
    assert (found.n_images, found.n_lesions) == (len(phantoms), phantoms.lesion_count)
    values = [value for fold in found.folds if (value := fold.figures["accuracy"].value) is not None]
    assert len(values) == FOLDS
    spread = found.spread["accuracy"]
    assert (spread.lowest, spread.highest) == (min(values), max(values))
    assert spread.mean == pytest.approx(np.mean(values))
    assert spread.sd == pytest.approx(np.std(values, ddof=1))


def check_subsets(out: Path, phantoms: Manifest) -> None:
    """Check that each fold is a test subset once, without shared lesions."""
    split = load_split(out / "split.json")
    lesion = {record.image_id: record.lesion_id for record in phantoms}
    tested: list[str] = []
    for fold in range(FOLDS):
        run = RunFolder(out / f"fold-{fold}")
        subsets = split.subsets(run.record().fold)
        own = read_predictions(find_predictions(run.path, "test"))
        assert list(own.image_ids) == subsets["test"]
        fitted = {lesion[image] for subset in ("train", "validation") for image in subsets[subset]}
        assert fitted.isdisjoint(own.lesion_ids)
        tested += own.image_ids
    assert sorted(tested) == sorted(lesion)


@pytest.mark.slow
def test_each_image_is_tested_once_and_a_finished_fold_is_kept(
    make_recipe: Callable[..., Recipe], phantoms: Manifest, tmp_path: Path
) -> None:
    recipe, out = make_recipe("training.epochs=1"), tmp_path / "out"
    found = cross_validate(recipe, phantoms, out, folds=FOLDS)
    check_files(found, out, phantoms)
    check_subsets(out, phantoms)
    before = (out / "fold-0" / "run.json").stat().st_mtime_ns
    assert cross_validate(recipe, phantoms, out, folds=FOLDS) == found
    assert (out / "fold-0" / "run.json").stat().st_mtime_ns == before
    with pytest.raises(UsageError, match="holds a run of another recipe"):
        cross_validate(make_recipe("training.epochs=2"), phantoms, out, folds=FOLDS)
    # Starting weights come from the run of the same fold, and two recipes are compared image by image.
    student = make_recipe("training.epochs=1", f"model.start={out}/fold-{{fold}}")
    distilled = cross_validate(student, phantoms, tmp_path / "student", folds=FOLDS)
    assert distilled.recipe.model.start == f"{out}/fold-{{fold}}"
    assert RunFolder(tmp_path / "student/fold-2").recipe().model.start == f"{out}/fold-2"
    # The run of one fold was trained on test images of the others.
    leaking = make_recipe("training.epochs=1", f"model.start={out}/fold-0")
    with pytest.raises(
        DataError, match=r"fold-0 was trained with another split or fold, possibly on validation or test"
    ):
        cross_validate(leaking, phantoms, tmp_path / "leaking", folds=FOLDS)
    assert not (tmp_path / "leaking").exists()
    pair = compare_predictions(
        *(read_predictions(find_predictions(one, "test")) for one in (out, tmp_path / "student"))
    )
    assert pair.a.name == "phantom-demo (3 folds)"


def with_sources(phantoms: Manifest, names: tuple[str, ...]) -> Manifest:
    lesions = sorted({record.lesion_id for record in phantoms})
    source = {lesion: names[number % len(names)] for number, lesion in enumerate(lesions)}
    return replace(phantoms, records=tuple(replace(record, source=source[record.lesion_id]) for record in phantoms))


@pytest.mark.slow
def test_each_source_is_held_out_once(make_recipe: Callable[..., Recipe], phantoms: Manifest, tmp_path: Path) -> None:
    recipe, out, manifest = make_recipe("training.epochs=1"), tmp_path / "out", with_sources(phantoms, ("b", "a"))
    found = cross_validate(recipe, manifest, out, group_by="source")
    assert json.loads((out / "metrics.json").read_text(encoding="utf-8")) == found.model_dump(mode="json")
    assert [fold.source for fold in found.folds] == ["a", "b"]
    assert [row.value for fold in found.folds for row in fold.by_source] == ["a", "b"]
    assert {row.value: row.n_images for row in found.by_source} == Counter(record.source for record in manifest)
    assert found.within_source_auc
    for fold in found.folds:
        run = RunFolder(out / fold.folder)
        ids = run.split().subsets(run.record().fold)
        assert {record.source for record in manifest.select(ids["test"])} == {fold.source}
        fitted = manifest.select([*ids["train"], *ids["validation"]])
        assert fold.source not in {record.source for record in fitted}
    before = (out / "fold-1" / "run.json").stat().st_mtime_ns
    assert cross_validate(recipe, manifest, out, group_by="source") == found
    assert (out / "fold-1" / "run.json").stat().st_mtime_ns == before
    with pytest.raises(UsageError, match="holds a run of another recipe"):
        cross_validate(recipe, manifest, out, folds=FOLDS)


def test_invalid_sources_are_found_before_the_first_training(
    make_recipe: Callable[..., Recipe], phantoms: Manifest, tmp_path: Path
) -> None:
    out, two = tmp_path / "out", with_sources(phantoms, ("a", "b"))
    with pytest.raises(UsageError, match="all images have the source phantom; folds by source need at least two"):
        cross_validate(make_recipe(), phantoms, out, group_by="source")
    with pytest.raises(UsageError, match=r"split\.by_image: folds by source never divide a lesion"):
        cross_validate(make_recipe("split.by_image=true"), two, out, group_by="source")
    with pytest.raises(DataError, match="images have no source; give it with --columns"):
        cross_validate(make_recipe(), with_sources(phantoms, ("a", "unknown")), out, group_by="source")
    assert not out.exists()


def test_invalid_arguments_are_found_before_the_first_training(
    make_recipe: Callable[..., Recipe], phantoms: Manifest, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="fold"):
        cross_validate(make_recipe(), phantoms, out, folds=2)
    with pytest.raises(DataError, match="nowhere/fold-0 is not a run folder"):
        cross_validate(make_recipe("model.start=nowhere/fold-{fold}"), phantoms, out)
    with pytest.raises(DataError, match="lesions"):
        cross_validate(make_recipe(), phantoms, out, folds=40)
    assert not out.exists()
