"""Batches: every image, equal sizes, and an order determined by the seed and the epoch."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.errors import UsageError
from lesionlab.training.batches import CachedImages, EpochBatches, make_loader
from lesionlab.training.processes import Processes

counts, sizes, seeds, epochs = st.integers(1, 200), st.integers(1, 70), st.integers(0, 2**32), st.integers(0, 500)


def batches(count: int, size: int, seed: int | None, epoch: int = 0) -> list[list[int]]:
    sampler = EpochBatches(np.zeros(count, dtype=np.int64), size, seed)
    sampler.set_epoch(epoch)
    found = list(sampler)
    assert len(found) == len(sampler)
    return found


@given(counts, sizes, seeds, epochs)
def test_a_shuffled_epoch_has_every_position_in_equal_batches(count: int, size: int, seed: int, epoch: int) -> None:
    found = batches(count, size, seed, epoch)
    assert {len(batch) for batch in found} == {min(size, count)}
    times = Counter(position for batch in found for position in batch)
    assert sorted(times) == list(range(count))
    # Only the last batch is filled up, with each position at most once.
    assert max(times.values()) <= 2
    assert sum(times.values()) - count < min(size, count)
    first = [position for batch in found for position in batch][:count]
    assert sorted(first) == list(range(count))


@given(counts, sizes)
def test_without_a_seed_the_order_is_kept(count: int, size: int) -> None:
    assert [position for batch in batches(count, size, None) for position in batch] == list(range(count))


@given(st.integers(20, 200), sizes, seeds, epochs)
def test_the_order_is_determined_by_the_seed_and_the_epoch(count: int, size: int, seed: int, epoch: int) -> None:
    found = batches(count, size, seed, epoch)
    np.random.default_rng().random()
    torch.rand(1)
    assert batches(count, size, seed, epoch) == found
    assert batches(count, size, seed, epoch + 1) != found
    assert batches(count, size, seed + 1, epoch) != found


def test_the_loader_returns_rows_with_their_labels() -> None:
    array = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1) * np.ones((1, 2, 2, 3), np.uint8)
    images = CachedImages(array, [9, 3, 5, 0], [2, 1, 6, 0])
    ordered = list(make_loader(images, 3))
    assert [(pixels[:, 0, 0, 0].tolist(), labels.tolist()) for pixels, labels in ordered] == [
        ([9, 3, 5], [2, 1, 6]),
        ([0], [0]),
    ]
    assert ordered[0][0].dtype == torch.uint8
    pairs = {9: 2, 3: 1, 5: 6, 0: 0}
    for pixels, labels in make_loader(images, 3, seed=0):
        assert pixels.shape == (3, 2, 2, 3)
        assert [pairs[int(value)] for value in pixels[:, 0, 0, 0]] == labels.tolist()


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("seed", [None, 0])
def test_processes_share_every_batch(size: int, seed: int | None) -> None:
    labels = np.zeros(31, dtype=np.int64)
    shares = [[*EpochBatches(labels, 12, seed, processes=Processes(rank, size))] for rank in range(size)]
    whole = [*EpochBatches(labels, 12, seed)]
    assert len({len(share) for share in shares}) == 1
    for position, batch in enumerate(whole):
        parts = [share[position] for share in shares]
        assert len({len(part) for part in parts}) == 1
        joined = [index for row in zip(*parts, strict=True) for index in row]
        assert joined[: len(batch)] == batch
        assert len(joined) - len(batch) < size  # those that make the shares of the last batch equal


def test_more_processes_than_images_are_an_error() -> None:
    with pytest.raises(UsageError, match="3 training images cannot be shared by 4 processes"):
        EpochBatches(np.zeros(3, dtype=np.int64), 8, 0, processes=Processes(0, 4))
