"""Few images share the threads of each run, many have a run on each; the answers are the same."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lesionlab.bundle import Bundle
from lesionlab.prediction import Predictor
from lesionlab.prediction.inference.session_pool import SessionPool


@pytest.mark.parametrize(("count", "threads", "shared"), [(1, 2, True), (500, 2, False), (500, 1, True)])
def test_the_session_suits_the_number_of_images(tiny_bundle: Path, count: int, threads: int, shared: bool) -> None:
    graphs = SessionPool(Bundle.load(tiny_bundle), threads, "none")
    session = graphs.for_images([b""] * count)
    assert (session is graphs.shared) == shared
    assert graphs.for_images([b""] * count) is session


@pytest.mark.parametrize(("threads", "apart"), [(1, False), (2, True)])
def test_a_run_beside_others_takes_one_thread(tiny_bundle: Path, threads: int, apart: bool) -> None:
    graphs = SessionPool(Bundle.load(tiny_bundle), threads, "none")
    assert graphs.beside(others=False) is graphs.shared
    assert (graphs.beside(others=True) is not graphs.shared) == apart


def test_of_an_unknown_number_there_may_be_many(tiny_bundle: Path) -> None:
    def images() -> Iterator[bytes]:
        yield b""

    graphs = SessionPool(Bundle.load(tiny_bundle), 2, "none")
    assert graphs.for_images(images()) is not graphs.shared


def test_many_images_get_the_answers_of_few(tiny_bundle: Path) -> None:
    predictor = Predictor.load(tiny_bundle, threads=2)
    few = list(np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8))
    wanted = np.tile(predictor.predict_logits(few), (20, 1))
    np.testing.assert_allclose(predictor.predict_logits(few * 20), wanted, atol=1e-5)
