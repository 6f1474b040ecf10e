"""Several runs as one bundle: the mean of their logits, explained as exactly as one."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from lesionlab.bundle import Bundle
from lesionlab.errors import DataError, UsageError
from lesionlab.export import export_run
from lesionlab.prediction import Predictor
from lesionlab.runs import RunFolder
from lesionlab.training.checkpoint import load_weights, save_tensors


@pytest.fixture(scope="module")
def second(tiny_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run with other weights, trained on the same split as it were."""
    place = tmp_path_factory.mktemp("second") / "run"
    shutil.copytree(tiny_run.path, place)
    run = RunFolder(place)
    torch.manual_seed(0)
    weights = {
        name: value + 0.05 * value.std() * torch.randn_like(value) if value.ndim > 1 else value
        for name, value in load_weights(run.best).items()
    }
    save_tensors(weights, run.best)
    export_run(run)
    return run


@pytest.mark.slow
def test_it_says_the_mean_of_its_members_and_explains_it(
    tiny_run: RunFolder, second: RunFolder, tmp_path: Path
) -> None:
    bundle = export_run(tiny_run, others=[second], out=tmp_path / "both")
    members = [Bundle.load(run.path) for run in (tiny_run, second)]
    images = [np.random.default_rng(seed).integers(0, 256, (60, 60, 3), dtype=np.uint8) for seed in range(3)]
    alone = [Predictor.load(member).predict_logits(images) for member in members]
    both = Predictor.load(bundle)
    np.testing.assert_allclose(both.predict_logits(images), np.mean(alone, axis=0), atol=1e-4)
    assert bundle.info.name == f"{members[0].info.name}-ensemble-of-2"
    assert bundle.info.parameters == sum(member.info.parameters for member in members)
    assert (both.explains, both.refuses) == (members[0].explains, members[0].refuses)
    assert both.explains
    assert bundle.info.metrics == {}


@pytest.mark.slow
def test_what_does_not_fit_together_is_refused(tiny_run: RunFolder, second: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name a place for it with --out"):
        export_run(tiny_run, others=[second])
    other = tmp_path / "other"
    shutil.copytree(second.path, other)
    run = RunFolder(other)
    run.save_record(run.record().model_copy(update={"split_sha256": "0" * 64}))
    with pytest.raises(DataError, match="trained with another split"):
        export_run(tiny_run, others=[run], out=tmp_path / "both")
    run.save_record(second.record().model_copy(update={"finished": False}))
    with pytest.raises(DataError, match="is not finished"):
        export_run(tiny_run, others=[run], out=tmp_path / "both")
    assert not (tmp_path / "both").exists()
