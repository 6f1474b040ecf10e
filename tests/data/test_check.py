"""The check reports all problems at once."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from lesionlab.data import DataReport, check_dataset, read_dataset
from lesionlab.data.scan import ProblemKind

Row = dict[str, str]


def test_a_valid_dataset_is_counted(kaggle: Path) -> None:
    done: list[tuple[int, int]] = []
    report = check_dataset(kaggle, progress=lambda now, total: done.append((now, total)))
    assert report.ok
    assert report.problems == ()
    assert (report.images, report.lesions, report.lesions_with_several_images) == (6, 5, 1)
    assert report.diagnoses == {"mel": 2, "nv": 1, "bcc": 1, "akiec": 0, "bkl": 1, "df": 0, "vasc": 1}
    assert report.gaps == {"age": 2, "sex": 1, "site": 1, "dx_type": 1}
    assert report.sizes == {"48x36": 6}
    assert report.sources == {"ham10000": 6}
    assert report.manifest_sha256 == read_dataset(kaggle).sha256
    assert done == [(number, 6) for number in range(1, 7)]
    assert DataReport.model_validate_json(report.model_dump_json()) == report


def test_every_problem_is_found_in_one_check(
    kaggle: Path,
    rows: list[Row],
    make_table: Callable[..., Path],
    make_images: Callable[..., None],
    make_jpeg: Callable[..., bytes],
) -> None:
    images = kaggle / "HAM10000_images_part_1"
    noise = os.urandom(3 * 64 * 64)
    extra = [
        rows[0] | {"image_id": "unreadable", "lesion_id": "U"},
        rows[0] | {"image_id": "truncated", "lesion_id": "T"},
        rows[0] | {"image_id": "missing", "lesion_id": "M"},
        rows[0] | {"image_id": "wart", "lesion_id": "W", "dx": "wart"},
        rows[0] | {"image_id": "leak", "lesion_id": "L"},
        rows[0] | {"image_id": "copy"},
        rows[0] | {"image_id": "conflict", "dx": "nv"},
        rows[5],
    ]
    make_table(kaggle / "HAM10000_metadata.csv", [*rows, *extra])
    (images / "unreadable.jpg").write_bytes(b"\x00" + noise)
    (images / "truncated.jpg").write_bytes(make_jpeg(7, (600, 450))[:-200])
    make_images(images, ("wart", "conflict", "orphan"), first_shade=100)
    shutil.copy(kaggle / "HAM10000_images_part_2" / "ISIC_4.jpg", images / "leak.jpg")
    shutil.copy(images / "ISIC_1.jpg", images / "copy.jpg")
    shutil.copy(images / "ISIC_3.jpg", kaggle / "HAM10000_images_part_2")

    report = check_dataset(kaggle)

    found = {problem.kind: (problem.where, problem.detail) for problem in report.problems}
    assert not report.ok
    assert report.errors == dict.fromkeys((kind for kind in found if kind.is_error), 1)
    assert {kind: found[kind][0] for kind in report.errors} == {
        ProblemKind.DUPLICATE_ID: "ISIC_6",
        ProblemKind.UNKNOWN_DIAGNOSIS: "wart",
        ProblemKind.MISSING_IMAGE: "missing",
        ProblemKind.UNREADABLE: "HAM10000_images_part_1/unreadable.jpg",
        ProblemKind.TRUNCATED: "HAM10000_images_part_1/truncated.jpg",
        ProblemKind.LEAKING_COPY: "ISIC_4, leak",
    }
    assert {kind: found[kind][0] for kind in report.warnings} == {
        ProblemKind.COPY: "ISIC_1, copy",
        ProblemKind.CONFLICTING_LESION: "HAM_1",
        ProblemKind.ORPHAN: "HAM10000_images_part_1/orphan.jpg",
        ProblemKind.REPEATED_FILE: "ISIC_3",
    }
    assert "of lesion HAM_3, L (bcc and mel); a split may separate them" in found[ProblemKind.LEAKING_COPY][1]
    assert found[ProblemKind.CONFLICTING_LESION][1] == "mel and nv"
    assert report.manifest_sha256 is None
    assert report.images == 9  # the six, leak, copy and conflict


def test_an_empty_file_is_unreadable(kaggle: Path) -> None:
    (kaggle / "HAM10000_images_part_1" / "ISIC_1.jpg").write_bytes(b"")
    report = check_dataset(kaggle, workers=1)
    assert report.errors == {ProblemKind.UNREADABLE: 1}
    assert "0 bytes" in report.problems[0].detail


@pytest.mark.slow
@pytest.mark.skipif("LESIONLAB_DATA" not in os.environ, reason="LESIONLAB_DATA names no folder with ham10000/")
def test_ham10000_is_complete_with_the_published_counts() -> None:
    report = check_dataset(Path(os.environ["LESIONLAB_DATA"]) / "ham10000")
    assert report.ok
    assert set(report.warnings) <= {ProblemKind.COPY, ProblemKind.NEAR_COPY}
    assert (report.images, report.lesions, report.lesions_with_several_images) == (10_015, 7_470, 1_956)
    counts = {"nv": 6705, "mel": 1113, "bkl": 1099, "bcc": 514, "akiec": 327, "vasc": 142, "df": 115}
    assert report.diagnoses == counts
    assert report.gaps == {"age": 57, "sex": 57, "site": 234, "dx_type": 0}


def picture(seed: int) -> Image.Image:
    """Return an image with structure at all scales, which compression keeps."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((128, 96), Image.Resampling.BICUBIC)


def test_files_of_equal_size_under_one_name_are_compared_by_pixels(tmp_path: Path) -> None:
    for visit in ("visit1", "visit2", "visit3"):
        (tmp_path / visit).mkdir()
        picture(int(visit[-1])).save(tmp_path / visit / "IMG_1.bmp")
        picture(9).save(tmp_path / visit / "IMG_2.bmp")
    (tmp_path / "t.csv").write_text("image_id,dx\nIMG_1,nv\nIMG_2,mel\n")
    report = check_dataset(tmp_path, metadata=tmp_path / "t.csv")
    found = {problem.where: problem.kind for problem in report.problems}
    assert found == {"IMG_1": ProblemKind.AMBIGUOUS_IMAGE, "IMG_2": ProblemKind.REPEATED_FILE}


def test_copies_of_an_image_as_other_lesions_are_found(tmp_path: Path) -> None:
    image = picture(0)
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "b.bmp")
    image.save(tmp_path / "c.jpg", quality=60)
    image.resize((80, 60)).save(tmp_path / "d.png")
    ImageOps.mirror(image).save(tmp_path / "e.jpg")
    picture(1).save(tmp_path / "f.png")
    lines = [f"{name},L{name},{dx}" for name, dx in zip("abcdef", ("nv", "mel", "mel", "nv", "mel", "nv"), strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(("image_id,lesion_id,dx", *lines)))
    report = check_dataset(tmp_path, metadata=tmp_path / "t.csv")
    assert report.errors == {ProblemKind.LEAKING_COPY: 1}
    assert report.problems[0].where == "a, b"
    near = {problem.where for problem in report.problems if problem.kind is ProblemKind.NEAR_COPY}
    assert {"a, c", "a, d", "a, e"} <= near
    assert not any("f" in where.split(", ") for where in near)
