"""The limit on images and bytes in the server."""

import pytest

from lesionlab.serving.concurrency import ConcurrencyLimit
from lesionlab.serving.problem import ProblemError


def test_reservations_are_released_after_errors() -> None:
    limit = ConcurrencyLimit(2, 100)
    with pytest.raises(RuntimeError), limit.reserve(2, 100):
        assert (limit.images, limit.bytes) == (2, 100)
        raise RuntimeError
    assert (limit.images, limit.bytes) == (0, 0)


@pytest.mark.parametrize(("images", "size"), [(2, 0), (0, 51), (3, 1000)])
def test_rejection_states_when_to_retry(images: int, size: int) -> None:
    limit = ConcurrencyLimit(2, 100)
    with limit.reserve(1, 50), pytest.raises(ProblemError, match="busy; try again in 1 s") as rejected:  # noqa: SIM117
        with limit.reserve(images, size):
            pass
    assert (rejected.value.status, rejected.value.headers) == (503, {"Retry-After": "1"})
    with limit.reserve(2, 100):
        pass


def test_closing_keeps_reservations_and_rejects_new_ones() -> None:
    limit = ConcurrencyLimit(2, 100)
    with limit.reserve(1, 1):
        limit.close()
        with pytest.raises(ProblemError, match="stopping") as rejected, limit.reserve(1, 1):
            pass
        assert rejected.value.headers["Retry-After"]
        assert limit.images == 1
