"""Room for a bounded number of images and bytes."""

import pytest

from lesionlab.serving.concurrency import ConcurrencyLimit
from lesionlab.serving.problem import ProblemError


def test_places_are_given_back_whatever_happens() -> None:
    places = ConcurrencyLimit(2, 100)
    with pytest.raises(RuntimeError), places.taken(2, 100):
        assert (places.images, places.bytes) == (2, 100)
        raise RuntimeError
    assert (places.images, places.bytes) == (0, 0)


@pytest.mark.parametrize(("images", "size"), [(2, 0), (0, 51), (3, 1000)])
def test_who_finds_no_room_is_told_when_to_come_again(images: int, size: int) -> None:
    places = ConcurrencyLimit(2, 100)
    with places.taken(1, 50), pytest.raises(ProblemError, match="busy; try again in 1 s") as refused:  # noqa: SIM117
        with places.taken(images, size):
            pass
    assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "1"})
    with places.taken(2, 100):
        pass


def test_who_is_in_may_stay_when_the_door_closes() -> None:
    places = ConcurrencyLimit(2, 100)
    with places.taken(1, 1):
        places.close()
        with pytest.raises(ProblemError, match="stopping") as refused, places.taken(1, 1):
            pass
        assert refused.value.headers["Retry-After"]
        assert places.images == 1
