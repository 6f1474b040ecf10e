"""Counts, measures, leak, shortcuts and findings of datasets with known properties."""

from pathlib import Path

import numpy as np
import pytest

from lesionlab.curation.report import DatasetDescription, main_findings, overview
from tests.curation.report.datasets import COLUMNS, describe, write_dataset

SHORT = tuple(name for name in COLUMNS if name not in ("lesion_id", "dataset"))


def auc(data: DatasetDescription, name: str) -> float:
    found = next(one.auc for one in data.shortcuts if one.property == name)
    assert found is not None
    assert found.value is not None
    return found.value


@pytest.fixture(scope="module")
def confounded(tmp_path_factory: pytest.TempPathFactory) -> DatasetDescription:
    """Melanomas come from one clinic with pale borders; every third lesion has two images."""
    rows = []
    for number in range(120):
        malignant = number % 2 == 0
        clinic = ("a" if malignant else "b") if number % 5 else "a"
        row = {
            "lesion_id": f"l{number}",
            "dx": "mel" if malignant else "nv",
            "dataset": clinic,
            "skin": 170 if clinic == "a" else 130,
            "age": 30 + number % 7,
            "sex": "male" if number % 4 < 2 else "female",
            "dx_type": "histo" if malignant else "follow_up",
        }
        rows += [dict(row) for _ in range(1 + (number % 3 == 0))]
    return describe(write_dataset(tmp_path_factory.mktemp("confounded"), rows))[1]


@pytest.mark.slow
def test_counts_by_group_with_the_share_of_the_target(confounded: DatasetDescription) -> None:
    groups = {name: {row.value: row for row in rows} for name, rows in confounded.groups.items()}
    assert (confounded.target, confounded.positive, confounded.labelled) == ("malignant", 80, 160)
    assert groups["diagnosis"]["mel"].images == 80
    assert groups["diagnosis"]["nv"].lesions == 60
    assert groups["dx_type"]["follow_up"].share == 0
    assert sum(row.images for row in groups["source"].values()) == 160
    assert set(groups["age"]) == {"30 to 44"}
    assert "site" not in groups
    assert confounded.skin_tone_estimated
    assert sum(row.images for row in groups["skin_tone"].values()) == confounded.measured == 160


def test_images_per_lesion_and_leak(confounded: DatasetDescription) -> None:
    assert confounded.images_per_lesion == {1: 80, 2: 40}
    leak = {one.training_share: one.test_images for one in confounded.leaks}
    assert leak[0.8] == pytest.approx(0.5 * 128 / 159)


def test_source_and_border_are_found_as_shortcuts(confounded: DatasetDescription) -> None:
    assert auc(confounded, "source") > 0.85
    assert auc(confounded, "border") > 0.85
    assert auc(confounded, "patient") < 0.7
    for one in confounded.shortcuts:
        if one.auc is not None:
            assert one.auc.low is not None
            assert one.auc.high is not None
            assert one.auc.low <= auc(confounded, one.property) <= one.auc.high


def test_findings_are_stated_in_words(confounded: DatasetDescription) -> None:
    text = " ".join([overview(confounded), *main_findings(confounded)])
    assert text.startswith("160 images of 120 lesions; 50% are malignant. ")
    assert "The source alone predicts malignancy with AUC 0." in text
    assert ": from 0% in b to 83% in a" in text
    assert "33% of the lesions have several images" in text
    assert "would put 40% of the test images beside an image of the same lesion in training" in text


def test_measures_by_source(confounded: DatasetDescription) -> None:
    by_source = {row.source: row for row in confounded.sources}
    assert by_source["a"].measures["lightness"].median > by_source["b"].measures["lightness"].median
    assert by_source["a"].measures["width"].median == 16
    assert sum(row.images for row in confounded.sources) == 160


@pytest.mark.slow
def test_a_random_property_has_no_auc_far_from_chance(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = [{"dx": str(random.choice(["mel", "nv"])), "dataset": str(random.choice(["a", "b"]))} for _ in range(150)]
    _, data = describe(write_dataset(tmp_path / "d", rows))
    assert auc(data, "source") == pytest.approx(0.5, abs=0.12)


def test_the_sample_is_fixed_by_its_seed_and_counted(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "d", ({"dx": "mel" if n % 2 else "nv"} for n in range(60)))
    first, again = (describe(folder, sample=30)[1] for _ in range(2))
    assert first == again
    assert (first.measured, first.shortcut_images, first.check.images) == (30, 30, 60)


def test_without_sources_and_lesions(tmp_path: Path) -> None:
    rows = ({"dx": "mel" if n % 2 else "nv"} for n in range(40))
    _, data = describe(write_dataset(tmp_path / "d", rows, columns=SHORT))
    assert (data.unit, data.leaks) == ("image", ())
    reasons = {one.property: one.reason for one in data.shortcuts}
    assert reasons["source"] is not None
    assert reasons["patient"] == "not stated"
    assert main_findings(data)[0].startswith("Lesions are not identified")
    assert overview(data) == "40 images; 50% are malignant."


@pytest.mark.parametrize("count", [1, 30])
def test_one_class_or_one_image(tmp_path: Path, count: int) -> None:
    _, data = describe(write_dataset(tmp_path / "d", ({"dx": "nv", "dataset": "a"} for _ in range(count))))
    assert all(one.auc is None and one.reason for one in data.shortcuts)
    assert "The dataset has no malignant images" in main_findings(data)[0]
    assert all(0 <= leak.test_images <= 1 for leak in data.leaks)


def test_other_diagnoses_count_where_their_malignancy_is_known(tmp_path: Path) -> None:
    labels = ["scc", "unk", "nv", "inf"] * 5
    _, data = describe(write_dataset(tmp_path / "d", ({"dx": dx} for dx in labels)))
    rows = {row.value: row for row in data.groups["diagnosis"]}
    assert (rows["scc"].share, rows["inf"].share, rows["unk"].share) == (1, 0, None)
    assert (data.positive, data.labelled, data.shortcut_images) == (5, 15, 15)
    assert "33% of the 15 with a label that determines it are malignant" in overview(data)


@pytest.mark.slow
def test_melanoma_or_not_is_the_target_of_coarse_labels(tmp_path: Path) -> None:
    rows = ({"dx": "mel" if n % 4 == 0 else "other"} for n in range(48))
    _, data = describe(write_dataset(tmp_path / "d", rows))
    assert (data.target, data.positive, data.labelled) == ("melanoma", 12, 48)
    assert "25% are melanomas" in overview(data)


@pytest.mark.slow
def test_thousands_of_sources(tmp_path: Path) -> None:
    rows = [{"dx": "mel" if n % 3 == 0 else "nv", "dataset": f"clinic {n}"} for n in range(150)]
    _, data = describe(write_dataset(tmp_path / "d", rows))
    assert len(data.groups["source"]) == 150
    assert auc(data, "source") == pytest.approx(0.5, abs=0.1)


def test_unreadable_images_and_duplicates_are_counted(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "d", ({"dx": "mel" if n % 2 else "nv"} for n in range(30)))
    (folder / "image0000.png").write_bytes((folder / "image0000.png").read_bytes()[:60])
    (folder / "image0002.png").write_bytes((folder / "image0001.png").read_bytes())
    _, data = describe(folder)
    assert (data.check.images, data.measured) == (29, 29)
    assert sum(data.check.errors.values()) == 2
    assert main_findings(data)[0].startswith("Errors prevent training: ")
