"""Batches: rows of a cache, in an order determined by the seed and the epoch."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from lesionlab.data import ImageRecord
from lesionlab.errors import UsageError
from lesionlab.recipes import SamplingSettings
from lesionlab.training.processes import ALONE, Processes
from lesionlab.training.sampling import draw_weights, epoch_order, weighted_order

Balance = Literal["none", "oversample", "undersample", "smote"]


def to_images(pixels: Tensor) -> Tensor:
    """Return pixels uint8 [N, H, W, 3] as images [N, 3, H, W] with values in [0, 1]."""
    # The permuted view is channels-last already, the fastest layout for convolutions.
    return pixels.permute(0, 3, 1, 2).float() / 255.0


class CachedImages(Dataset[tuple[Tensor, Tensor]]):
    """Images and labels, indexed by lists of positions: one item is a whole batch.

    Args:
        array: The image cache, uint8 [all images, H, W, 3].
        rows: Rows of the cache that belong to this subset.
        labels: Class index of each of these rows, or index of its label set; see `LabelSets`.
        records: The image of each of these rows, for sampling and validation by source.
    """

    views = 1

    def __init__(
        self,
        array: NDArray[np.uint8],
        rows: Sequence[int],
        labels: Sequence[int],
        records: Sequence[ImageRecord] = (),
    ) -> None:
        self.array = array
        self.rows = np.asarray(rows)
        self.labels = torch.as_tensor(labels)
        self.records = tuple(records)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, positions: list[int]) -> tuple[Tensor, Tensor]:
        """Return pixels uint8 [N, H, W, 3] and labels [N]."""
        return torch.from_numpy(self.array[self.rows[positions]]), self.labels[positions]


class CachedFeatures(Dataset[tuple[Tensor, Tensor]]):
    """Features and labels, indexed by lists of positions; position `view * len + image` is one view of an image.

    Args:
        features: float32 [views, images, D].
        labels: Class index of each image, or index of its label set.
        records: The images; empty for features between images.
    """

    def __init__(
        self, features: NDArray[np.float32], labels: Sequence[int], records: Sequence[ImageRecord] = ()
    ) -> None:
        self.features = torch.from_numpy(features)
        self.labels = torch.as_tensor(labels)
        self.records = tuple(records)
        self.views = len(features)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, positions: list[int]) -> tuple[Tensor, Tensor]:
        """Return features [N, D] and labels [N]."""
        views, images = np.divmod(np.asarray(positions), len(self))
        return self.features[views, images], self.labels[images]


class EpochBatches(Sampler[list[int]]):
    """Positions of one epoch, in batches of equal size.

    A shuffled epoch fills its last batch with positions from its start: dropping the rest would skip images, a
    batch of one image breaks batch normalisation, and a second batch size would be compiled again. Lightning calls
    `set_epoch`, so that an epoch that is repeated after an interruption has the same batches.

    Several processes have the same epoch. Each yields its share of every batch: the positions `rank`, `rank + size`,
    and so on. An epoch in the given order is filled so that the shares of its last batch are equal.

    Args:
        labels: Class index of each image, [N].
        batch_size: Size of a batch, limited to the number of positions.
        seed: Seed of the order; None keeps the given order, with a last batch that may be smaller.
        balance: Sampling of the classes; `none` and `smote` (balanced already) use every image once.
        views: Number of views of each image, alternating by epoch; see `CachedFeatures`.
        weights: How often each image is drawn on average, [N]; None follows `balance`.
        processes: The processes that share the batches; their number divides `batch_size`.

    Raises:
        UsageError: There are fewer positions than processes.
    """

    def __init__(
        self,
        labels: NDArray[np.int64],
        batch_size: int,
        seed: int | None = None,
        *,
        balance: Balance = "none",
        views: int = 1,
        weights: NDArray[np.float64] | None = None,
        processes: Processes = ALONE,
    ) -> None:
        self._processes = processes
        self.labels, self.seed, self.views, self.epoch, self.weights = labels, seed, views, 0, weights
        self.balance: Literal["none", "oversample", "undersample"] = "none" if balance == "smote" else balance
        size = processes.size
        self.length = math.ceil(len(labels) / size) * size if seed is None else len(self._order())
        self.batch_size = min(batch_size, self.length) // size * size
        if not self.batch_size:
            raise UsageError(f"{self.length} training images cannot be shared by {size} processes; start fewer")

    def set_epoch(self, epoch: int) -> None:
        """Set the number of the next epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return math.ceil(self.length / self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        order = np.resize(np.arange(len(self.labels)), self.length)
        if self.seed is not None:
            order = np.resize(self._order(), len(self) * self.batch_size)
            # Each image advances by one view per epoch; consecutive images have different views.
            order = order + len(self.labels) * ((self.epoch + order) % self.views)
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            yield batch[self._processes.rank :: self._processes.size].tolist()

    def _order(self) -> NDArray[np.int64]:
        rng = np.random.default_rng((self.seed or 0, self.epoch))
        return (
            epoch_order(self.labels, self.balance, rng) if self.weights is None else weighted_order(self.weights, rng)
        )


def make_loader(
    subset: CachedImages | CachedFeatures,
    batch_size: int,
    *,
    seed: int | None = None,
    sampling: SamplingSettings | None = None,
    processes: Processes = ALONE,
) -> DataLoader[Any]:
    """Return a loader of whole batches, or of the share of a process; shuffled if a seed is given.

    There are no worker processes: reading a batch from the page cache takes a millisecond.
    """
    sampling = sampling or SamplingSettings()
    sampler = EpochBatches(
        subset.labels.numpy(),
        batch_size,
        seed,
        balance=sampling.balance,
        views=subset.views if seed is not None else 1,
        weights=draw_weights(subset.records, sampling) if sampling.weighted else None,
        processes=processes,
    )
    return DataLoader(subset, batch_size=None, sampler=sampler, pin_memory=torch.cuda.is_available())
