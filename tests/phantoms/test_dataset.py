"""A written dataset: layout, metadata, determinism, errors and learnable classes."""

import csv
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lesionlab.data.manifest import ImageRecord, Manifest
from lesionlab.errors import DataError, LesionlabError, UsageError
from lesionlab.phantoms import write_phantoms
from lesionlab.taxonomy import CODES

SIZE = (64, 48)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return write_phantoms(tmp_path_factory.mktemp("phantoms"), lesions=200, size=SIZE)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_layout_is_that_of_ham10000(dataset: Manifest) -> None:
    assert {path.name for path in dataset.root.iterdir()} == {
        "HAM10000_images_part_1",
        "HAM10000_images_part_2",
        "HAM10000_metadata.csv",
    }
    on_disk = {str(path.relative_to(dataset.root)) for path in dataset.root.glob("*/*.jpg")}
    assert on_disk == {record.path for record in dataset}
    with Image.open(dataset.location(dataset.records[0])) as image:
        assert (image.format, image.size) == ("JPEG", SIZE)


def test_metadata_equal_the_manifest(dataset: Manifest) -> None:
    with (dataset.root / "HAM10000_metadata.csv").open(newline="") as stream:
        rows = {row["image_id"]: row for row in csv.DictReader(stream)}
    assert list(next(iter(rows.values()))) == [
        "lesion_id",
        "image_id",
        "dx",
        "dx_type",
        "age",
        "sex",
        "localization",
        "dataset",
    ]
    assert len(rows) == len(dataset)
    for record in dataset:
        row = rows[record.image_id]
        assert (row["lesion_id"], row["dx"], row["dx_type"]) == (record.lesion_id, record.diagnosis, record.dx_type)
        assert row["age"] == ("" if record.age is None else f"{record.age:.1f}")
        assert row["sex"] == (record.sex or "unknown")
        assert row["localization"] == (record.site or "unknown")
        assert record.source == "phantom"


def test_metadata_values_are_those_of_ham10000(dataset: Manifest) -> None:
    ages = [record.age for record in dataset if record.age is not None]
    assert all(age % 5 == 0 and 5 <= age <= 85 for age in ages)
    assert {record.sex for record in dataset} == {"male", "female", None}
    assert None in {record.site for record in dataset}
    assert len(ages) < len(dataset)
    assert {record.dx_type for record in dataset} <= {"histo", "follow_up", "consensus", "confocal"}
    # Malignant lesions are always confirmed by histology, and melanoma patients are older than those with nevi.
    assert {r.dx_type for r in dataset if r.diagnosis in {"mel", "bcc", "akiec"}} == {"histo"}
    mean = {code: np.mean([r.age for r in dataset if r.diagnosis == code and r.age is not None]) for code in CODES}
    assert mean["mel"] > mean["nv"] + 5


def test_classes_are_imbalanced_with_a_minimum(dataset: Manifest) -> None:
    lesions: defaultdict[str, set[str]] = defaultdict(set)
    for record in dataset:
        lesions[record.diagnosis].add(record.lesion_id)
    counts = {code: len(found) for code, found in lesions.items()}
    assert sum(counts.values()) == dataset.lesion_count == 200
    assert max(counts, key=lambda code: counts[code]) == "nv"
    assert min(counts.values()) >= 0.06 * 200
    assert 1.2 < len(dataset) / dataset.lesion_count < 1.5


def test_images_of_one_lesion_share_metadata_but_not_pixels(dataset: Manifest) -> None:
    lesions: defaultdict[str, list[ImageRecord]] = defaultdict(list)
    for record in dataset:
        lesions[record.lesion_id].append(record)
    several = [records for records in lesions.values() if len(records) > 1]
    assert several
    for records in several:
        assert len({(r.diagnosis, r.age, r.sex, r.site, r.dx_type) for r in records}) == 1
        assert len({(dataset.root / r.path).read_bytes() for r in records}) == len(records)


def test_images_of_one_lesion_are_more_similar_than_others_of_its_class(dataset: Manifest) -> None:
    def colour(path: str) -> NDArray[np.float64]:
        pixels = np.asarray(Image.open(dataset.root / path), float)
        return np.asarray(np.median(pixels[12:36, 16:48].reshape(-1, 3), axis=0))

    nevi = [record for record in dataset if record.diagnosis == "nv"]
    colours = np.stack([colour(record.path) for record in nevi])
    lesion = np.array([record.lesion_id for record in nevi])
    distance = np.linalg.norm(colours[:, None] - colours[None], axis=2)
    same = (lesion[:, None] == lesion[None]) & ~np.eye(len(nevi), dtype=bool)
    assert distance[same].mean() < 0.75 * distance[lesion[:, None] != lesion[None]].mean()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_and_more_lesions_keep_the_first(tmp_path: Path) -> None:
    first = write_phantoms(tmp_path / "first", lesions=10, seed=4, size=SIZE)
    again = write_phantoms(tmp_path / "again", lesions=10, seed=4, size=SIZE)
    more = write_phantoms(tmp_path / "more", lesions=14, seed=4, size=SIZE)
    other = write_phantoms(tmp_path / "other", lesions=10, seed=5, size=SIZE)
    assert contents(first.root) == contents(again.root)
    assert first.sha256 == again.sha256 != other.sha256
    assert more.records[: len(first)] == first.records
    for record in first:
        assert (more.root / record.path).read_bytes() == (first.root / record.path).read_bytes()


@pytest.mark.slow
def test_a_small_set_has_enough_lesions_of_each_class_to_split(tmp_path: Path) -> None:
    manifest = write_phantoms(tmp_path / "small", lesions=56, size=(32, 24))
    assert {len({r.lesion_id for r in manifest if r.diagnosis == code}) for code in CODES} == {8}


def test_progress_is_reported_after_each_image(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    manifest = write_phantoms(
        tmp_path, lesions=7, size=(32, 24), progress=lambda done, total: calls.append((done, total))
    )
    assert calls == [(done, len(manifest)) for done in range(1, len(manifest) + 1)]


def test_a_folder_that_is_not_empty_is_an_error_and_unchanged(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(DataError, match=r"is not empty: give a new folder") as caught:
        write_phantoms(tmp_path, lesions=7)
    assert str(tmp_path) in str(caught.value)
    assert contents(tmp_path) == {"thesis.txt": b"precious"}
    with pytest.raises(DataError, match="is a file: give a folder"):
        write_phantoms(tmp_path / "thesis.txt", lesions=7)


@pytest.mark.parametrize("exists", [False, True])
def test_interrupted_writing_leaves_no_files(exists: bool, tmp_path: Path) -> None:
    folder = tmp_path / "phantoms"
    if exists:
        folder.mkdir()

    def stop(done: int, _total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_phantoms(folder, lesions=7, size=(32, 24), progress=stop)
    assert list(tmp_path.rglob("*")) == ([folder] if exists else [])


def test_an_unwritable_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LesionlabError, match=r"cannot write .*file/phantoms"):
        write_phantoms(tmp_path / "file" / "phantoms", lesions=7, size=(32, 24))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"lesions": 6}, "at least 7 lesions"), ({"seed": -1}, "0 or more"), ({"size": (9, 9)}, "at least")],
)
def test_numbers_out_of_range_are_an_error(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        write_phantoms(tmp_path / "phantoms", **{"lesions": 7, **change})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_classes_are_learnable_but_not_trivial(dataset: Manifest) -> None:
    pixels = []
    for record in dataset:
        with Image.open(dataset.location(record)) as image:
            pixels.append(np.asarray(image.resize((16, 16), Image.Resampling.BOX), float).ravel())
    classes = np.array([record.diagnosis for record in dataset])
    lesions = np.array([record.lesion_id for record in dataset])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=500))
    folds = StratifiedGroupKFold(3, shuffle=True, random_state=0)
    predicted = cross_val_predict(model, np.stack(pixels), classes, groups=lesions, cv=folds)
    # Chance is 1/7. A linear model on 16x16 pixels uses colour and size only, not the fine structures.
    assert 0.35 < balanced_accuracy_score(classes, predicted) < 0.8
    # The border of the image, outside the lesion, is not predictive.
    frame = np.stack(pixels).reshape(-1, 16, 16, 3)[:, 0].reshape(len(classes), -1)
    from_border = cross_val_predict(model, frame, classes, groups=lesions, cv=folds)
    assert balanced_accuracy_score(classes, from_border) < 0.25
