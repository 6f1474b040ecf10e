"""`training_images.npz` survives a round trip and is optional."""

import hashlib
import io
import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.bundle import Bundle, TrainingImages, save_bundle
from lesionlab.errors import BundleError
from lesionlab.files import sha256_of_json
from lesionlab.taxonomy import LABELS


def some(*rows: tuple[str, str, str]) -> TrainingImages:
    coordinates = np.random.default_rng(len(rows)).normal(size=(len(rows), 3)).astype(np.float16)
    return TrainingImages(
        coordinates, *(np.array([text.encode() for text in column]) for column in zip(*rows, strict=True))
    )


def packed(**changes: Any) -> bytes:
    arrays = vars(some(("a", "x", "mel"), ("b", "x", "mel"), ("c", "y", "nv"))) | changes
    stream = io.BytesIO()
    np.savez(stream, **{name: array for name, array in arrays.items() if array is not None})
    return stream.getvalue()


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.tuples(texts, texts, st.sampled_from(LABELS)), min_size=1, max_size=9))
def test_round_trip(rows: list[tuple[str, str, str]]) -> None:
    written = some(*rows)
    read = TrainingImages.from_bytes(written.to_bytes())
    for field in fields(TrainingImages):
        np.testing.assert_array_equal(getattr(read, field.name), getattr(written, field.name))
        assert getattr(read, field.name).dtype == getattr(written, field.name).dtype
    assert [name.decode() for name in read.image_id.tolist()] == [row[0] for row in rows]
    assert (len(read), read.lesion_count) == (len(rows), len({row[1] for row in rows}))
    assert read.to_bytes() == written.to_bytes()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cannot be read"),
        (b"PK", "cannot be read"),
        (pickle.dumps({"image_id": 1}), "cannot be read .*allow_pickle"),
        (packed(image_id=np.array([{}, {}, {}], object)), "cannot be read .Object arrays cannot be loaded"),
        (packed(lesion_id=None), "it lacks lesion_id"),
        (packed(coordinates=np.zeros((3, 2))), "coordinates does not hold rows of finite 16-bit numbers"),
        (packed(coordinates=np.full((3, 2), np.inf, np.float16)), "coordinates does not hold rows of finite"),
        (packed(coordinates=np.zeros(3, np.float16)), "coordinates does not hold rows"),
        (packed(image_id=np.array(["a", "b", "c"])), "image_id does not hold a text for each of 3 images"),
        (packed(lesion_id=np.array([b"x", b"y"])), "lesion_id does not hold a text for each of 3 images"),
        (packed(diagnosis=np.array([b"mel", b"nv", b"wart"])), "diagnosis 'wart' is none of mel, nv"),
        (packed(diagnosis=np.array([b"mel", b"nv", b"\xff"])), "is none of mel, nv"),
    ],
)
def test_other_content_is_an_error(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        TrainingImages.from_bytes(data)


@pytest.mark.parametrize("name", ["folder", "file.zip"])
def test_a_bundle_holds_the_index(tmp_path: Path, tiny_indexed_bundle: Path, name: str) -> None:
    whole = Bundle.load(tiny_indexed_bundle)
    assert whole.training_images is not None
    parts = {"reference": whole.reference, "evaluation": whole.evaluation}
    save_bundle(tmp_path / name, whole.info, whole.graph, **parts, training_images=whole.training_images)  # type: ignore[arg-type]
    again = Bundle.load(tmp_path / name)
    assert again.info == whole.info
    assert again.training_images is not None
    assert again.training_images.to_bytes() == whole.training_images.to_bytes()
    # A bundle that is saved without the index has no hash of it either.
    save_bundle(tmp_path / name, whole.info, whole.graph)
    plain = Bundle.load(tmp_path / name)
    assert (plain.training_images, plain.info.training_images_sha256) == (None, None)


def test_a_bundle_without_the_index_is_read(tmp_path: Path, tiny_whole_bundle: Path) -> None:
    shutil.copytree(tiny_whole_bundle, tmp_path / "old")
    description = tmp_path / "old" / "bundle.json"
    content = json.loads(description.read_text())
    for key in ("training_images_sha256", "content_sha256"):
        del content[key]
    description.write_text(json.dumps(content | {"content_sha256": sha256_of_json(content)}))
    assert Bundle.load(tmp_path / "old").training_images is None


def flipped(place: Path) -> None:
    data = bytearray(place.read_bytes())
    data[60] ^= 1
    place.write_bytes(data)


def swapped(place: Path) -> None:
    """Put a file there that is what the description says, and yet is wrong."""
    place.write_bytes(b"PK")
    description = place.with_name("bundle.json")
    content = json.loads(description.read_text())
    del content["content_sha256"]
    content["training_images_sha256"] = hashlib.sha256(b"PK").hexdigest()
    description.write_text(json.dumps(content | {"content_sha256": sha256_of_json(content)}))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (flipped, r"training_images.npz is damaged or was replaced \(SHA-256"),
        (Path.unlink, "has no training_images.npz; `lesionlab train`"),
        (swapped, "training_images.npz is not valid: it cannot be read"),
    ],
)
def test_a_damaged_file_is_named(
    tmp_path: Path, tiny_indexed_bundle: Path, damage: Callable[[Path], object], reason: str
) -> None:
    shutil.copytree(tiny_indexed_bundle, tmp_path / "b")
    damage(tmp_path / "b" / "training_images.npz")
    with pytest.raises(BundleError, match=reason) as caught:
        Bundle.load(tmp_path / "b")
    assert str(tmp_path / "b") in str(caught.value)
    assert "\n" not in str(caught.value)
