"""The limit on images and bytes in the server."""

import pytest

from lesionlab.serving.concurrency import ConcurrencyLimit
from lesionlab.serving.problem import ProblemError


def test_what_a_request_holds_is_given_back_after_errors() -> None:
    limit = ConcurrencyLimit(2, 100)
    with pytest.raises(RuntimeError), limit.admit("a") as admission:
        admission.add_bytes(40)
        admission.add_images(2)
        assert (limit.images.used, limit.bytes.used, limit.requests) == (2, 40, 1)
        raise RuntimeError
    assert (limit.images.used, limit.bytes.used, limit.requests) == (0, 0, 0)


def test_rejection_states_when_to_retry() -> None:
    limit = ConcurrencyLimit(2, 100)
    with limit.admit("a") as held:
        held.add_bytes(50)
        held.add_images(1)
        for hold, amount in ((held.add_images, 2), (held.add_bytes, 60)):
            with pytest.raises(ProblemError, match="busy; try again in 1 s") as rejected:
                hold(amount)
            assert rejected.value.headers == {"Retry-After": "1"}
        with pytest.raises(ProblemError, match="busy"), limit.admit("b", declared=51):
            pass
        with limit.admit("b", declared=50):
            pass


def test_declared_bytes_take_nothing() -> None:
    limit = ConcurrencyLimit(2, 100)
    with limit.admit("a", declared=90), limit.admit("a", declared=90), limit.admit("a", declared=90) as third:
        third.add_bytes(1)
        assert limit.bytes.used == 1


def test_a_client_with_large_bodies_leaves_room_for_others_and_for_its_own_small_ones() -> None:
    limit = ConcurrencyLimit(256, 200_000_000)
    with limit.admit("a") as large, limit.admit("a") as second, limit.admit("a") as small, limit.admit("b") as other:
        large.add_bytes(80_000_000)
        second.add_bytes(20_000_000)
        with pytest.raises(ProblemError, match="busy"):
            second.add_bytes(1_000_000)
        small.add_bytes(1_000_000)
        other.add_bytes(20_000_000)


def test_batches_of_a_client_leave_room_for_its_single_images() -> None:
    limit = ConcurrencyLimit(256, 1)
    with limit.admit("a") as first, limit.admit("a") as second, limit.admit("a") as third:
        first.add_images(64)
        second.add_images(64)
        with pytest.raises(ProblemError, match="busy"):
            third.add_images(2)
        third.add_images(1)


def test_closing_keeps_requests_and_rejects_new_ones() -> None:
    limit = ConcurrencyLimit(2, 100)
    with limit.admit("a") as admission:
        admission.add_images(1)
        limit.close()
        with pytest.raises(ProblemError, match="stopping") as rejected, limit.admit("b"):
            pass
        assert rejected.value.headers["Retry-After"]
        assert limit.requests == 1
