"""An existing bundle is calibrated again without its run, and its graph stays the same."""

from pathlib import Path

import numpy as np
import pytest

from lesionlab.bundle import Bundle, save_bundle
from lesionlab.data import Manifest
from lesionlab.errors import UsageError
from lesionlab.export.recalibrate import recalibrate_bundle
from lesionlab.runs import RunFolder


@pytest.fixture(scope="module")
def stale(tiny_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The bundle of a run with another calibration and other thresholds, as of an earlier version."""
    bundle = Bundle.load(tiny_run.bundle)
    old = bundle.info.calibration.model_copy(update={"temperature": 9.0, "offsets": (), "method": "temperature"})
    info = bundle.info.model_copy(update={"calibration": old, "operating_points": (), "prediction_sets": None})
    path = tmp_path_factory.mktemp("stale") / "bundle"
    save_bundle(
        path,
        info,
        bundle.graph,
        reference=bundle.reference,
        training_images=bundle.training_images,
        seen_images=bundle.seen_images,
    )
    return Bundle.load(path)


def test_a_bundle_is_fitted_again_as_in_an_export(
    stale: Bundle, tiny_run: RunFolder, phantoms: Manifest, tmp_path: Path
) -> None:
    exported = Bundle.load(tiny_run.bundle)
    found = recalibrate_bundle(stale, phantoms, tmp_path / "new")
    new = Bundle.load(tmp_path / "new")
    assert new.graph == stale.graph
    ignored = {"created", "reference_sha256", "evaluation_sha256", "metrics"}
    assert new.info.model_dump(exclude=ignored) == exported.info.model_dump(exclude=ignored)
    assert (new.evaluation, new.info.metrics) == (None, {})
    assert new.training_images is not None
    assert exported.reference is not None
    assert new.reference is not None
    for one, other in zip(
        exported.reference.validation.quantiles.values() if exported.reference.validation else (),
        new.reference.validation.quantiles.values() if new.reference.validation else (),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    assert found.before.method == "temperature"
    assert found.after.nll < found.before.nll
    assert found.after.target_share == found.before.target_share


def test_another_dataset_is_an_error(stale: Bundle, phantoms: Manifest, tmp_path: Path) -> None:
    other = phantoms.select([record.image_id for record in phantoms][:-3])
    with pytest.raises(UsageError, match=r"was trained on another dataset.*; name its folder"):
        recalibrate_bundle(stale, other, tmp_path / "new")
    assert not (tmp_path / "new").exists()
