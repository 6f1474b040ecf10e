"""The nearest training images: one of each lesion, the most similar first."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lesionlab.bundle import Bundle, FeatureSpace, TrainingImages
from lesionlab.bundle.features import coordinates
from lesionlab.data import Manifest
from lesionlab.errors import BundleError
from lesionlab.prediction import Predictor
from lesionlab.prediction.explanation.nearest_images import NearestImageIndex
from lesionlab.prediction.inference.session import GraphSession


@pytest.fixture(scope="module")
def predictor(tiny_indexed_bundle: Path) -> Predictor:
    return Predictor.load(tiny_indexed_bundle, threads=1)


SPACE = FeatureSpace(np.zeros(2, np.float32), np.eye(2, dtype=np.float16), np.array(9, np.float32))


def made(*rows: tuple[float, float, str, str]) -> NearestImageIndex:
    """Return an index of images with two coordinates each."""
    return NearestImageIndex(
        TrainingImages(
            np.array([row[:2] for row in rows], np.float16),
            np.array([row[2].encode() for row in rows]),
            np.array([row[3].encode() for row in rows]),
            np.array([b"bcc"] * len(rows)),
        ),
        SPACE,
    )


def test_one_image_of_each_lesion_the_most_similar_first() -> None:
    index = made((2, 0, "a", "x"), (5, 5, "b", "x"), (0, 3, "c", "y"), (-1, 0, "d", "z"), (1, 2, "é", "w"))
    found = index.nearest(np.array([16.0, 16.0]))  # the square roots point to (1, 1)
    assert [(image.image_id, image.lesion_id) for image in found] == [("b", "x"), ("é", "w"), ("c", "y"), ("d", "z")]
    assert [image.similarity for image in found] == pytest.approx([1, 3 / 10**0.5, 0.5**0.5, 0], abs=1e-6)
    assert {(image.code, image.name) for image in found} == {("bcc", "Basal cell carcinoma")}
    assert [image.image_id for image in index.nearest(np.array([16.0, 16.0]), count=2)] == ["b", "é"]


@given(
    st.lists(
        st.tuples(st.floats(-9, 9), st.floats(-9, 9), st.sampled_from("abcd"), st.sampled_from("xyz")), min_size=1
    ),
    st.tuples(st.floats(-99, 99), st.floats(-99, 99)),
)
def test_similarities_fall_from_1_to_0(
    rows: list[tuple[float, float, str, str]], features: tuple[float, float]
) -> None:
    found = made(*rows).nearest(np.array(features))
    assert len(found) == len({image.lesion_id for image in found}) == len({row[3] for row in rows})
    assert [image.similarity for image in found] == sorted((image.similarity for image in found), reverse=True)
    assert all(0 <= image.similarity <= 1 for image in found)


def test_a_training_image_finds_itself(predictor: Predictor, phantoms: Manifest) -> None:
    for record in list(phantoms)[::9]:
        (explained,) = predictor.pipeline.explain([predictor.pipeline.prepare(phantoms.location(record))], [None])
        assert explained.nearest_images is not None
        first = explained.nearest_images[0]
        assert (first.image_id, first.lesion_id, first.code) == (
            record.image_id,
            record.lesion_id,
            record.diagnosis,
        )
        assert first.similarity == pytest.approx(1, abs=1e-4)
        assert len(explained.nearest_images) == 5


def test_the_index_agrees_with_an_exhaustive_search(predictor: Predictor, photograph: Image.Image) -> None:
    bundle = predictor.bundle
    assert bundle.reference is not None
    assert bundle.training_images is not None
    space = bundle.reference.features
    assert space is not None
    feature_map = GraphSession(bundle).outputs(predictor.pipeline.prepare(photograph).pixels[None]).feature_map
    assert feature_map is not None
    here = coordinates(space, feature_map.mean(axis=(2, 3)))[0, :5]
    there = bundle.training_images.coordinates.astype(np.float64)
    cosines = there @ here / np.linalg.norm(there, axis=1) / np.linalg.norm(here)
    of_lesions = {
        lesion: cosines[bundle.training_images.lesion_id == lesion].max() for lesion in bundle.training_images.lesion_id
    }
    wanted = sorted(of_lesions, key=lambda lesion: -of_lesions[lesion])[:5]
    nearest = next(predictor.explain_many([photograph])).nearest_images  # type: ignore[union-attr]
    assert nearest is not None
    assert [image.lesion_id.encode() for image in nearest] == wanted
    assert [image.similarity for image in nearest] == pytest.approx([of_lesions[name] for name in wanted], abs=1e-5)


def test_the_index_does_not_change_the_prediction(
    predictor: Predictor, tiny_whole_bundle: Path, photograph: Image.Image
) -> None:
    without = Predictor.load(tiny_whole_bundle, threads=1)
    prepared = without.pipeline.prepare(photograph)
    (plain,), (named,) = (each.pipeline.explain([prepared], ["nv"]) for each in (without, predictor))
    assert plain.nearest_images is None
    assert named.nearest_images is not None
    assert plain.prediction.probabilities == named.prediction.probabilities
    assert plain.explanation is not None
    assert named.explanation is not None
    np.testing.assert_array_equal(plain.explanation.values, named.explanation.values)


def test_an_index_of_another_feature_space_is_an_error(tiny_indexed_bundle: Path, tiny_whole_bundle: Path) -> None:
    bundle = Bundle.load(tiny_indexed_bundle)
    assert bundle.training_images is not None
    wide = replace(bundle.training_images, coordinates=np.zeros((len(bundle.training_images), 7), np.float16))
    for wrong in (
        replace(bundle, training_images=wide),
        replace(Bundle.load(tiny_whole_bundle), training_images=bundle.training_images),
    ):
        with pytest.raises(
            BundleError, match=r"training_images\.npz does not fit its reference\.npz; export the bundle again"
        ):
            Predictor.load(wrong)
