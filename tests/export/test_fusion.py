"""Fitting the combination of the images of a lesion."""

import numpy as np
import pytest

from lesionlab.bundle.fusion import evidence
from lesionlab.export.fusion import fit_fusion, fit_weights
from lesionlab.metrics import softmax
from lesionlab.metrics.arrays import FloatArray, IntArray

FREQUENCIES = np.array([0.6, 0.3, 0.1])


def simulated(
    shared: float, lesions: int = 3000, images: int = 3, frequencies: FloatArray = FREQUENCIES
) -> tuple[IntArray, FloatArray, list[str]]:
    """Return labels and calibrated probabilities of images whose noise is shared within the lesion by this share.

    The features are normal around the class's mean, so that the probabilities follow from them exactly.
    """
    draw = np.random.default_rng(0)
    labels = draw.choice(3, size=lesions, p=frequencies)
    noise = np.sqrt(shared) * draw.normal(size=(lesions, 1, 3)) + np.sqrt(1 - shared) * draw.normal(
        size=(lesions, images, 3)
    )
    features = np.eye(3)[labels][:, None] + noise
    logits = np.log(FREQUENCIES) + features.reshape(-1, 3)
    return np.repeat(labels, images), softmax(logits), np.repeat(np.arange(lesions), images).astype(str).tolist()


@pytest.mark.parametrize("shared", [0.0, 0.3, 0.7, 1.0])
def test_the_correlation_is_recovered(shared: float) -> None:
    labels, probabilities, lesions = simulated(shared)
    found = fit_fusion(labels, probabilities, lesions, FREQUENCIES)
    assert found is not None
    assert found.correlation == pytest.approx(shared, abs=0.08)
    assert found.lesions == 3000
    assert found.nll_fused is not None
    assert found.nll_mean is not None
    assert found.nll_single is not None
    assert found.nll_fused <= found.nll_mean + 1e-6
    assert found.nll_mean <= found.nll_single + 1e-6


def test_other_class_frequencies_of_lesions_with_several_images_do_not_matter() -> None:
    labels, probabilities, lesions = simulated(0.5, frequencies=np.array([0.1, 0.3, 0.6]))
    found = fit_fusion(labels, probabilities, lesions, FREQUENCIES)
    assert found is not None
    assert found.correlation == pytest.approx(0.5, abs=0.08)


def test_lesions_with_one_image_are_not_used() -> None:
    labels, probabilities, lesions = simulated(0.5, lesions=29)
    single = [f"single {index}" for index in range(len(labels))]
    twice = np.concatenate([labels, labels]), np.concatenate([probabilities, probabilities])
    assert fit_fusion(*twice, [*lesions, *single], FREQUENCIES) is None
    assert fit_fusion(labels, probabilities, single, FREQUENCIES) is None


def test_the_better_type_of_images_gets_the_larger_weight() -> None:
    labels, probabilities, _ = simulated(0.0, images=1)
    noise = np.random.default_rng(1).dirichlet(np.ones(3), len(labels))
    weights = fit_weights(
        labels,
        {"dermoscopic": evidence(probabilities, FREQUENCIES), "clinical": evidence(noise, FREQUENCIES)},
        FREQUENCIES,
    )
    assert weights["dermoscopic"] == pytest.approx(1, abs=0.1)
    assert weights["clinical"] < 0.1
