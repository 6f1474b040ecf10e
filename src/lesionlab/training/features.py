"""Cache of a frozen backbone's features, computed once for all epochs of training the head.

View 0 is the original image, the others are augmented. Each block of images has random numbers that
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

from lesionlab.bundle.npz import npz_bytes, read_npz
from lesionlab.files import cache_folder, replacing, sha256_of_json
from lesionlab.recipes import AugmentationSettings, Recipe
from lesionlab.training.augmentation import BatchAugmentation
from lesionlab.training.batches import to_images
from lesionlab.training.network import LesionNetwork

logger = logging.getLogger(__name__)

_VERSION = 2
_BLOCK = 64  # images that share their random numbers
_ROWS_PER_FILE = 16 * _BLOCK


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
        progress: Called with the number of images done and that of the dataset, per view.
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

        Raises:
            LesionlabError: The features cannot be written.
        """
        wanted = np.asarray(rows, dtype=np.int64)
        features = np.empty((len(wanted), self.network.feature_count), np.float32)
        done = 0
        for part in np.unique(wanted // _ROWS_PER_FILE):
            chosen = wanted // _ROWS_PER_FILE == part
            unique = np.unique(wanted[chosen])
            stored = self._part(view, int(part), unique, done)
            features[chosen] = stored[wanted[chosen] - part * _ROWS_PER_FILE]
            done += len(unique)
        return features

    def _part(self, view: int, part: int, rows: NDArray[np.int64], before: int) -> NDArray[np.float32]:
        """Return the features of one file, of which at least `rows` are known."""
        first = part * _ROWS_PER_FILE
        path = self.folder / f"view-{view}" / f"{part:06d}.npz"
        stored, known = self._read(path, min(_ROWS_PER_FILE, len(self.images) - first))
        missing = rows[~known[rows - first]]
        if len(missing):
            logger.info("features of %d images, view %d: computing", len(missing), view)
            stored[missing - first] = self._compute(view, missing, before)
            known[missing - first] = True
            # Features and what is known of them are one file: processes that share the cache replace it as a whole.
            with replacing(path, binary=True) as stream:
                stream.write(npz_bytes({"features": stored, "known": known}))
        return stored

    def _read(self, path: Path, count: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        try:
            arrays = read_npz(path.read_bytes())
            return arrays["features"], arrays["known"]
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError) as error:
            logger.warning("%s is damaged (%s): its features are computed again", path, error)
        return np.zeros((count, self.network.feature_count), np.float32), np.zeros(count, dtype=np.bool_)

    @torch.no_grad()
    def _compute(self, view: int, missing: NDArray[np.int64], before: int) -> NDArray[np.float32]:
        self.network.to(self.device).eval()
        computed: list[NDArray[np.float32]] = []
        done = before
        for block in np.unique(missing // _BLOCK):
            rows = missing[missing // _BLOCK == block]
            if view == 0:
                pixels = to_images(torch.from_numpy(self.images[rows]).to(self.device))
            else:
                # The whole block, so that an image's random numbers do not depend on the other rows.
                torch.manual_seed((self.seed * 1_000_003 + view) * 1_000_003 + int(block))
                whole = to_images(torch.from_numpy(self.images[block * _BLOCK : (block + 1) * _BLOCK]).to(self.device))
                pixels = self.augment(whole)[torch.from_numpy(rows - block * _BLOCK).to(self.device)]
            pixels = pixels.contiguous(memory_format=torch.channels_last)
            computed.append(self.network.features(pixels).float().cpu().numpy())
            done += len(rows)
            if self.progress is not None:
                self.progress(done, len(self.images))
        return np.concatenate(computed)
