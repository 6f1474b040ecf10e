"""The session pool: all threads for few images, one thread per run for many; the outputs are the same."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lesionlab.bundle import Bundle
from lesionlab.prediction import Predictor
from lesionlab.prediction.inference.session_pool import SessionPool


@pytest.mark.parametrize(("count", "threads", "shared"), [(1, 2, True), (500, 2, False), (500, 1, True)])
def test_the_session_suits_the_number_of_images(tiny_bundle: Path, count: int, threads: int, shared: bool) -> None:
    pool = SessionPool(Bundle.load(tiny_bundle), threads, "none")
    session = pool.for_images([b""] * count)
    assert (session is pool.shared) == shared
    assert pool.for_images([b""] * count) is session


@pytest.mark.parametrize(("threads", "apart"), [(1, False), (2, True)])
def test_a_concurrent_run_uses_one_thread(tiny_bundle: Path, threads: int, apart: bool) -> None:
    pool = SessionPool(Bundle.load(tiny_bundle), threads, "none")
    assert pool.session(concurrent=False) is pool.shared
    assert (pool.session(concurrent=True) is not pool.shared) == apart


def test_an_unknown_number_counts_as_many(tiny_bundle: Path) -> None:
    def images() -> Iterator[bytes]:
        yield b""

    pool = SessionPool(Bundle.load(tiny_bundle), 2, "none")
    assert pool.for_images(images()) is not pool.shared


def test_both_sessions_give_the_same_logits(tiny_bundle: Path) -> None:
    predictor = Predictor.load(tiny_bundle, threads=2)
    few = list(np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8))
    wanted = np.tile(predictor.predict_logits(few), (20, 1))
    np.testing.assert_allclose(predictor.predict_logits(few * 20), wanted, atol=1e-5)
