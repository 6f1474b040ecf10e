"""The most similar training cases: one image of each lesion, the most similar first, and the same with any answer."""

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
    """Return cases at two coordinates, each with an image and a lesion."""
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
    cases = made((2, 0, "a", "x"), (5, 5, "b", "x"), (0, 3, "c", "y"), (-1, 0, "d", "z"), (1, 2, "é", "w"))
    found = cases.nearest(np.array([16.0, 16.0]))  # its roots point to (1, 1)
    assert [(case.image_id, case.lesion_id) for case in found] == [("b", "x"), ("é", "w"), ("c", "y"), ("d", "z")]
    assert [case.similarity for case in found] == pytest.approx([1, 3 / 10**0.5, 0.5**0.5, 0], abs=1e-6)
    assert {(case.diagnosis, case.name) for case in found} == {("bcc", "Basal cell carcinoma")}
    assert [case.image_id for case in cases.nearest(np.array([16.0, 16.0]), count=2)] == ["b", "é"]


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
    assert len(found) == len({case.lesion_id for case in found}) == len({row[3] for row in rows})
    assert [case.similarity for case in found] == sorted((case.similarity for case in found), reverse=True)
    assert all(0 <= case.similarity <= 1 for case in found)


def test_a_training_image_finds_itself(predictor: Predictor, phantoms: Manifest) -> None:
    for record in list(phantoms)[::9]:
        (reasoned,) = predictor.pipeline.explain([predictor.pipeline.prepare(phantoms.location(record))], [None])
        assert reasoned.nearest_images is not None
        first = reasoned.nearest_images[0]
        assert (first.image_id, first.lesion_id, first.diagnosis) == (
            record.image_id,
            record.lesion_id,
            record.diagnosis,
        )
        assert first.similarity == pytest.approx(1, abs=1e-4)
        assert len(reasoned.nearest_images) == 5


def test_they_are_those_of_a_search_through_all(predictor: Predictor, photograph: Image.Image) -> None:
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
    similar = next(predictor.explain_many([photograph])).nearest_images  # type: ignore[union-attr]
    assert similar is not None
    assert [case.lesion_id.encode() for case in similar] == wanted
    assert [case.similarity for case in similar] == pytest.approx([of_lesions[name] for name in wanted], abs=1e-5)


def test_they_change_nothing_of_the_answer(
    predictor: Predictor, tiny_whole_bundle: Path, photograph: Image.Image
) -> None:
    without = Predictor.load(tiny_whole_bundle, threads=1)
    prepared = without.pipeline.prepare(photograph)
    (plain,), (named,) = (each.pipeline.explain([prepared], ["nv"]) for each in (without, predictor))
    assert plain.nearest_images is None
    assert named.nearest_images is not None
    assert plain.prediction == named.prediction
    np.testing.assert_array_equal(plain.explanation.values, named.explanation.values)


def test_cases_of_another_space_are_refused(tiny_indexed_bundle: Path, tiny_whole_bundle: Path) -> None:
    bundle = Bundle.load(tiny_indexed_bundle)
    assert bundle.training_images is not None
    wide = replace(bundle.training_images, coordinates=np.zeros((len(bundle.training_images), 7), np.float16))
    for wrong in (
        replace(bundle, training_images=wide),
        replace(Bundle.load(tiny_whole_bundle), training_images=bundle.training_images),
    ):
        with pytest.raises(BundleError, match=r"cases\.npz does not fit its reference\.npz; export the bundle again"):
            Predictor.load(wrong)
