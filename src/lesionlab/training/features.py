"""Cache of a frozen backbone's features, computed once for all epochs of training the head.

One file per view: view 0 is the original image, the others are augmented. Each block of images has random numbers that
depend only on the seed, the view and the block. So the features of an image do not depend on the split, and runs share
them, also after an interruption.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save

from lesionlab.files import cache_folder, replacing, sha256_of_json
from lesionlab.recipes import AugmentationSettings, Recipe
from lesionlab.training.augmentation import BatchAugmentation
from lesionlab.training.batches import to_images
from lesionlab.training.network import LesionNetwork

logger = logging.getLogger(__name__)

_VERSION = 1
_BLOCK = 64  # images that share their random numbers
_BLOCKS_PER_SAVE = 16


def augments(settings: AugmentationSettings) -> bool:
    """Return whether any setting but mixing changes an image."""
    off = AugmentationSettings.none().model_copy(update={"mixup": settings.mixup, "cutmix": settings.cutmix})
    return settings != off


class FeatureStore:
    """Features of a dataset's images under one frozen backbone.

    Args:
        network: The network; its backbone is frozen.
        recipe: Augmentation, seed and input settings.
        images: The image cache, uint8 [all images, H, W, 3].
        images_key: Key of the image cache.
        device: Device to compute on.
        progress: Called with the number of images done and their total, per view.
    """

    def __init__(
        self,
        network: LesionNetwork,
        recipe: Recipe,
        images: NDArray[np.uint8],
        images_key: str,
        *,
        device: str = "cpu",
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.network = network
        self.images = images
        self.seed = recipe.seed
        self.augment = BatchAugmentation(recipe.augmentation)
        self.device = torch.device(device)
        self.progress = progress
        weights = save({name: value.contiguous() for name, value in network.backbone.state_dict().items()})
        key = sha256_of_json(
            [
                _VERSION,
                images_key,
                recipe.model.backbone,
                hashlib.sha256(weights).hexdigest(),
                recipe.input.model_dump(mode="json"),
                recipe.head.pool,
                recipe.augmentation.model_dump(mode="json"),
                recipe.seed,
            ]
        )
        self.folder = cache_folder() / "features" / key[:24]

    def view(self, view: int, rows: Sequence[int]) -> NDArray[np.float32]:
        """Return the features of one view of some images, float32 [rows, D]; compute the missing ones.

        Args:
            view: 0 for the original images, from 1 for augmented ones.
            rows: Rows of the image cache.
        """
        stored, done = self._open(view)
        unique = np.unique(np.asarray(rows, dtype=np.int64))
        missing = unique[~done[unique]]
        if len(missing):
            logger.info("features of %d images, view %d: computing", len(missing), view)
            self._compute(view, missing, stored, done)
        features: NDArray[np.float32] = stored[np.asarray(rows, dtype=np.int64)]
        return features

    def _open(self, view: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        path, mask = self._files(view)
        shape = (len(self.images), self.network.feature_count)
        if not (path.exists() and mask.exists()):
            path.parent.mkdir(parents=True, exist_ok=True)
            mask.unlink(missing_ok=True)
            np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape).flush()
            return np.load(path, mmap_mode="r+"), np.zeros(shape[0], dtype=np.bool_)
        return np.load(path, mmap_mode="r+"), np.load(mask)

    @torch.no_grad()
    def _compute(
        self, view: int, missing: NDArray[np.int64], stored: NDArray[np.float32], done: NDArray[np.bool_]
    ) -> None:
        self.network.to(self.device).eval()
        blocks = np.unique(missing // _BLOCK)
        for count, block in enumerate(blocks, start=1):
            rows = missing[missing // _BLOCK == block]
            if view == 0:
                pixels = to_images(torch.from_numpy(self.images[rows]).to(self.device))
            else:
                # The whole block, so that an image's random numbers do not depend on the other rows.
                torch.manual_seed((self.seed * 1_000_003 + view) * 1_000_003 + int(block))
                whole = to_images(torch.from_numpy(self.images[block * _BLOCK : (block + 1) * _BLOCK]).to(self.device))
                pixels = self.augment(whole)[torch.from_numpy(rows - block * _BLOCK).to(self.device)]
            pixels = pixels.contiguous(memory_format=torch.channels_last)
            stored[rows] = self.network.features(pixels).float().cpu().numpy()
            done[rows] = True
            if count % _BLOCKS_PER_SAVE == 0 or count == len(blocks):
                self._save(view, stored, done)
            if self.progress is not None:
                self.progress(min(count * _BLOCK, len(missing)), len(missing))

    def _save(self, view: int, stored: NDArray[np.float32], done: NDArray[np.bool_]) -> None:
        # The features first: the mask must not mark features that are not on disk yet.
        if isinstance(stored, np.memmap):
            stored.flush()
        with replacing(self._files(view)[1], binary=True) as stream:
            np.save(stream, done)

    def _files(self, view: int) -> tuple[Path, Path]:
        return self.folder / f"view-{view}.npy", self.folder / f"view-{view}-done.npy"
