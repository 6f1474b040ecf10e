"""Cached features of a frozen backbone, compared with a plain loop that runs the whole network in every epoch.

    python benchmarks/frozen_features.py --data FOLDER [--images 2000] [--backbone NAME] [--out FILE]

Both train `resnet50-binary` for all its epochs, on the same images, from the same weights. The plain loop is that of
the original system: it opens each file with Pillow, augments it with torchvision's transforms, runs the whole network,
and evaluates the validation images after each epoch. The frozen backbone is in evaluation mode, unlike possibly in the
original. The time with cached features starts with an empty cache: decoding, features of all views, and every epoch.
Both networks are evaluated on the same test images.
"""

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch program uses
from common import command, options, write
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from lesionlab.data import Manifest, Split, draw_subset, make_split, read_dataset
from lesionlab.images import Preprocessing, load_image
from lesionlab.metrics import ranking
from lesionlab.metrics.arrays import FloatArray
from lesionlab.metrics.comparison import Measure, paired_bootstrap
from lesionlab.recipes import Recipe, load_recipe
from lesionlab.taxonomy import TASKS
from lesionlab.training import train_recipe
from lesionlab.training.checkpoint import load_weights
from lesionlab.training.device import Compute
from lesionlab.training.network import LesionNetwork
from lesionlab.training.weights import load_pretrained

TASK = TASKS["malignant"]
RESAMPLES = 1000


@dataclass(frozen=True)
class Trained:
    """A network at its best epoch, and the total time in seconds."""

    network: LesionNetwork
    seconds: float
    epoch_seconds: Sequence[float]


class PlainImages(Dataset[tuple[Tensor, int]]):
    """Opens, decodes and transforms an image at each access."""

    def __init__(self, manifest: Manifest, transform: Callable[[Image.Image], Tensor]) -> None:
        self.items = [(manifest.location(record), TASK.index(record.diagnosis)) for record in manifest]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path, label = self.items[index]
        with Image.open(path) as opened:
            return self.transform(opened.convert("RGB")), label


def plain_loaders(recipe: Recipe, manifest: Manifest, split: Split, workers: int) -> dict[str, DataLoader[Any]]:
    resize = transforms.Resize((recipe.input.size, recipe.input.size))
    augmented = transforms.Compose(
        [
            resize,
            transforms.RandomHorizontalFlip(),
            transforms.RandomVerticalFlip(),
            transforms.RandomRotation(15),
            transforms.ColorJitter(brightness=0.1, contrast=0.1, saturation=0.1),
            transforms.ToTensor(),
        ]
    )
    plain = transforms.Compose([resize, transforms.ToTensor()])
    subsets = split.subsets()
    return {
        name: DataLoader(
            PlainImages(manifest.select(subsets[name]), augmented if name == "train" else plain),
            batch_size=recipe.training.batch_size,
            shuffle=name == "train",
            num_workers=workers,
        )
        for name in ("train", "validation")
    }


def train_plainly(recipe: Recipe, manifest: Manifest, split: Split, workers: int) -> Trained:
    """Train like the original of `resnet50-binary`; normalisation is part of the network."""
    began = time.perf_counter()
    torch.manual_seed(recipe.seed)
    network = LesionNetwork(recipe)
    load_pretrained(network.backbone, recipe.model.backbone)
    loaders = plain_loaders(recipe, manifest, split, workers)
    labels = torch.tensor([TASK.index(record.diagnosis) for record in manifest.select(split.subsets()["train"])])
    weights = len(labels) / (2.0 * torch.bincount(labels, minlength=2))
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=1e-3)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)
    best_accuracy, best, seconds = -1.0, network.state_dict(), []
    for epoch in range(1, recipe.training.epochs + 1):
        started = time.perf_counter()
        network.train()
        for images, targets in loaders["train"]:
            optimizer.zero_grad()
            torch.autograd.backward(F.cross_entropy(network(images), targets, weight=weights))
            optimizer.step()
        schedule.step()
        network.eval()
        with torch.no_grad():
            hits = [(network(images).argmax(dim=1) == targets).float() for images, targets in loaders["validation"]]
        accuracy = float(torch.cat(hits).mean())
        if accuracy > best_accuracy:
            best_accuracy, best = accuracy, {name: value.clone() for name, value in network.state_dict().items()}
        seconds.append(time.perf_counter() - started)
        print(f"plain epoch {epoch}: {seconds[-1]:.1f} s, accuracy {accuracy:.3f}", file=sys.stderr, flush=True)
    network.load_state_dict(best)
    return Trained(network, time.perf_counter() - began, seconds)


def train_on_features(recipe: Recipe, manifest: Manifest, split: Split) -> Trained:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LESIONLAB_CACHE"] = str(Path(folder) / "cache")  # empty
        began = time.perf_counter()
        run = train_recipe(recipe, manifest, Path(folder) / "run", split=split)
        seconds = time.perf_counter() - began
        network = LesionNetwork(recipe)
        network.load_state_dict(load_weights(run.best))
        return Trained(network, seconds, [row["seconds"] for row in run.read_history()])


@torch.no_grad()
def scores(network: LesionNetwork, recipe: Recipe, images: Manifest) -> FloatArray:
    """Return the probability of malignancy, float [images]."""
    preprocessing, found = Preprocessing(**recipe.input.model_dump()), []
    network.eval()
    for record in images:
        pixels = torch.from_numpy(preprocessing.apply(load_image(images.location(record)).image).copy())
        found.append(network(pixels.permute(2, 0, 1)[None].float() / 255.0).softmax(dim=1)[0, 1])
    probabilities: FloatArray = torch.stack(found).double().numpy()
    return probabilities


def main() -> None:
    parser = options(__doc__, "data!", "images", "out", images=2000)
    parser.add_argument("--backbone", default="mobilenetv2_100")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2, help="Worker processes of the plain loop's loader.")
    arguments = parser.parse_args()
    changes = [f"model.backbone={arguments.backbone}", f"training.epochs={arguments.epochs}"]
    recipe = load_recipe("resnet50-binary", changes)
    manifest = draw_subset(read_dataset(arguments.data), arguments.images, recipe.seed)
    split = make_split(manifest, validation=0.2, test=0.25)
    ours = train_on_features(recipe, manifest, split)
    print(f"features computed once: {ours.seconds:.1f} s", file=sys.stderr, flush=True)
    plain = train_plainly(recipe, manifest, split, arguments.workers)
    test = manifest.select(split.subsets()["test"])
    positive = np.array([TASK.index(record.diagnosis) == 1 for record in test])

    def area(network: LesionNetwork) -> Measure:
        found = scores(network, recipe, test)
        return lambda weights: ranking.roc_auc(positive, found, weights)

    lesions = [record.lesion_id for record in test]
    pair = paired_bootstrap(area(plain.network), area(ours.network), lesions, resamples=RESAMPLES, seed=0)
    result = {
        "what": "resnet50-binary: cached features of the frozen backbone, against the whole network in every epoch",
        "command": command(arguments),
        "images": {name: len(ids) for name, ids in split.subsets().items()},
        "backbone": arguments.backbone,
        "epochs": arguments.epochs,
        "feature_views": recipe.training.feature_views,
        "plain_loader_workers": arguments.workers,
        "seconds": {"plain": round(plain.seconds, 1), "features_once": round(ours.seconds, 1)},
        "seconds_per_epoch_median": {
            "plain": round(float(np.median(plain.epoch_seconds)), 2),
            "features_once": round(float(np.median(ours.epoch_seconds)), 3),
        },
        "plain_over_features_once": round(plain.seconds / ours.seconds, 1),
        "malignant_auc": {
            "plain": pair.a.model_dump(),
            "features_once": pair.b.model_dump(),
            "difference": pair.difference.model_dump(),
        },
        "environment": Compute("cpu", "32-true").describe() | {"python": platform.python_version()},
    }
    write(arguments, result)


if __name__ == "__main__":
    main()
