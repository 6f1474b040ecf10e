"""Batches: rows of the image cache in an order that depends on the seed and the epoch alone."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler


class CachedImages(Dataset[tuple[Tensor, Tensor]]):
    """Images and labels by lists of positions: one item is a whole batch.

    Args:
        array: The image cache, uint8 [all images, H, W, 3].
        rows: The rows of the cache that belong to this part.
        labels: Class index of each of these rows.
    """

    def __init__(self, array: NDArray[np.uint8], rows: Sequence[int], labels: Sequence[int]) -> None:
        self.array = array
        self.rows = np.asarray(rows)
        self.labels = torch.as_tensor(labels)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, positions: list[int]) -> tuple[Tensor, Tensor]:
        """Return pixels uint8 [N, H, W, 3] and labels [N]."""
        return torch.from_numpy(self.array[self.rows[positions]]), self.labels[positions]


class EpochBatches(Sampler[list[int]]):
    """Every position once per epoch, in batches of one size.

    A shuffled epoch fills its last batch with positions from its beginning: leaving the rest out would skip
    images, a rest of one image breaks batch normalisation, and a second size would be compiled a second time.
    Lightning calls `set_epoch`, so that an epoch that is run again after an interruption sees the same batches.

    Args:
        count: Number of positions.
        batch_size: Size of a batch, at most `count`.
        seed: Decides the order; None keeps the given order, with a last batch that may be smaller.
    """

    def __init__(self, count: int, batch_size: int, seed: int | None = None) -> None:
        self.count, self.batch_size, self.seed, self.epoch = count, min(batch_size, count), seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Tell which epoch comes next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(self.count / self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        order = np.arange(self.count)
        if self.seed is not None:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(self.count)
            order = np.resize(order, len(self) * self.batch_size)
        for start in range(0, len(order), self.batch_size):
            yield order[start : start + self.batch_size].tolist()


def make_loader(images: CachedImages, batch_size: int, *, seed: int | None = None) -> DataLoader[tuple[Tensor, Tensor]]:
    """Return a loader of whole batches; shuffled if a seed is given.

    There are no worker processes: a batch is a copy out of the page cache, which takes a millisecond.
    """
    sampler = EpochBatches(len(images), batch_size, seed)
    return DataLoader(images, batch_size=None, sampler=sampler, pin_memory=torch.cuda.is_available())
