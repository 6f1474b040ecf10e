"""Drift detection: no drift without a change, and the drifted measures by name."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import ks_2samp

from lesionlab.errors import DataError, UsageError
from lesionlab.prediction import Predictor
from lesionlab.prediction.drift import kolmogorov_smirnov, measure_drift, stability_index
from lesionlab.runs import RunFolder


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), shift=st.floats(-1, 1), digits=st.sampled_from([1, 6]))
def test_the_statistic_is_that_of_scipy(seed: int, shift: float, digits: int) -> None:
    rng = np.random.default_rng(seed)
    validation, new = rng.normal(0, 1, 2001).round(digits), rng.normal(shift, 1, 300).round(digits)
    statistic, p_value = kolmogorov_smirnov(new, np.quantile(validation, np.linspace(0, 1, 101)), 2001)
    expected = ks_2samp(new, validation, method="asymp")
    assert statistic == pytest.approx(expected.statistic, abs=0.03)
    assert np.log10(max(p_value, 1e-12)) == pytest.approx(np.log10(max(expected.pvalue, 1e-12)), abs=1.7)


def test_equal_shares_are_stable_and_others_are_not() -> None:
    validation = np.array([0.7, 0.2, 0.1])
    assert stability_index(validation, validation, 1000) == pytest.approx(0, abs=0.01)
    assert stability_index(np.array([0.2, 0.2, 0.6]), validation, 1000) > 0.25
    assert np.isfinite(stability_index(np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), 10))


@pytest.fixture(scope="module")
def own(tiny_run: RunFolder) -> list[str]:
    manifest = tiny_run.manifest()
    return [manifest.location(record) for record in manifest.select(tiny_run.split().subsets()["validation"])]


def test_the_validation_images_have_not_drifted(tiny_run: RunFolder, own: list[str]) -> None:
    seen: list[tuple[int, int]] = []
    found = measure_drift(Predictor.load(tiny_run.path), own, progress=lambda *done: seen.append(done))
    assert not found.drifted
    assert found.images == len(own) == seen[-1][0]
    assert [measure.name for measure in found.measures] == [
        "brightness",
        "contrast",
        "sharpness",
        "ood_score",
        "target_probability",
        "confidence",
    ]
    for measure in found.measures:
        assert measure.statistic < 0.1
        assert measure.median == pytest.approx(measure.reference_median, rel=0.1, abs=0.05)
    assert found.class_shares == pytest.approx(found.reference_class_shares, abs=1e-6)


def test_darker_images_have_drifted(tiny_run: RunFolder, own: list[str], tmp_path: Path) -> None:
    places = []
    for number, place in enumerate(own * 3):
        target = tmp_path / f"{number}.png"
        Image.open(place).point(lambda value: value // 2).save(target)
        places.append(str(target))
    (tmp_path / "broken.png").write_bytes(b"nothing")
    found = measure_drift(Predictor.load(tiny_run.path), [*places, str(tmp_path / "broken.png")])
    assert found.drifted
    assert found.failures == 1
    drifted = {measure.name for measure in found.measures if measure.drifted}
    assert {"brightness", "contrast"} <= drifted


def test_missing_statistics_and_too_few_images_are_errors(
    tiny_run: RunFolder, tiny_bundle: Path, own: list[str]
) -> None:
    with pytest.raises(UsageError, match="has no statistics of its validation images"):
        measure_drift(Predictor.load(tiny_bundle), own)
    with pytest.raises(DataError, match="at least 20"):
        measure_drift(Predictor.load(tiny_run.path), own[:5])
