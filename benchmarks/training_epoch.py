"""An epoch with the image cache against an epoch that opens, decodes and resizes every JPEG, in one run.

    python benchmarks/training_epoch.py --data FOLDER [--images 256] [--rounds 3] [--out FILE]

The plain way is that of a usual notebook: a dataset that opens each file with Pillow, torchvision's transforms
per image, and a loader. Both ways train the same network with the same optimiser on the same images, in turn,
so that a drift of the machine's speed meets both alike. The time of each stage is measured as it happens.
"""

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch program uses
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from lesionlab.data import Manifest, read_dataset
from lesionlab.files import write_json
from lesionlab.images import Preprocessing
from lesionlab.recipes import load_recipe
from lesionlab.taxonomy import CODES
from lesionlab.training.augmentation import BatchAugmentation
from lesionlab.training.batches import CachedImages, make_loader
from lesionlab.training.cache import open_image_cache
from lesionlab.training.device import describe_environment
from lesionlab.training.network import LesionNetwork

RECIPE = load_recipe("efficientnet-lite0")
Times = dict[str, float]


class PlainImages(Dataset[tuple[Tensor, int]]):
    """Opens, decodes, resizes and augments each image whenever it is asked for."""

    def __init__(self, manifest: Manifest) -> None:
        self.items = [(manifest.location(r), CODES.index(r.diagnosis)) for r in manifest]
        size = RECIPE.input.size
        self.transform = transforms.Compose(
            [
                transforms.Resize((size, size)),
                transforms.RandomHorizontalFlip(),
                transforms.RandomVerticalFlip(),
                transforms.RandomRotation(15),
                transforms.ColorJitter(brightness=0.1, contrast=0.1, saturation=0.1),
                transforms.ToTensor(),
            ]
        )

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image

        path, label = self.items[index]
        with Image.open(path) as opened:
            return self.transform(opened.convert("RGB")), label


@contextmanager
def stage(times: Times, name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    times[name] = times.get(name, 0.0) + time.perf_counter() - began


def run_epoch(batches: Iterator[tuple[Tensor, Tensor]], augment: Callable[[Tensor], Tensor] | None) -> Times:
    """Train for one epoch and return the seconds that each stage took."""
    torch.manual_seed(0)
    network = LesionNetwork(RECIPE).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    times: Times = {}
    began = time.perf_counter()
    while True:
        with stage(times, "read, decode, resize" if augment else "read, decode, resize, augment"):
            batch = next(batches, None)
        if batch is None:
            break
        images, labels = batch
        if augment:
            with stage(times, "augment"):
                images = augment(images.permute(0, 3, 1, 2).float() / 255.0)
        images = images.contiguous(memory_format=torch.channels_last)
        with stage(times, "forward"):
            loss = F.cross_entropy(network(images), labels)
        with stage(times, "backward"):
            torch.autograd.backward(loss)
        with stage(times, "optimiser"):
            optimizer.step()
            optimizer.zero_grad()
    times["epoch"] = time.perf_counter() - began
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    whole = read_dataset(arguments.data)
    manifest = whole.select([r.image_id for r in whole.records[: arguments.images]])
    labels = [CODES.index(r.diagnosis) for r in manifest]
    began = time.perf_counter()
    array = open_image_cache(manifest, Preprocessing(**RECIPE.input.model_dump()))
    building = time.perf_counter() - began
    cached = CachedImages(array, range(len(manifest)), labels)
    augment = BatchAugmentation(RECIPE.augmentation)
    batch_size = RECIPE.training.batch_size
    rounds: dict[str, list[Times]] = {"cached": [], "plain": []}
    for _ in range(arguments.rounds + 1):
        rounds["cached"].append(run_epoch(iter(make_loader(cached, batch_size, seed=0)), augment))
        plain = DataLoader(PlainImages(manifest), batch_size=batch_size, shuffle=True)
        rounds["plain"].append(run_epoch(iter(plain), None))
    counted = {name: times[1:] for name, times in rounds.items()}  # the first round warms up
    medians = {
        name: {key: round(statistics.median(t[key] for t in times), 3) for key in times[0]}
        for name, times in counted.items()
    }

    def data_seconds(times: Times) -> float:
        return sum(value for key, value in times.items() if "read" in key or key == "augment")

    pairs = list(zip(counted["plain"], counted["cached"], strict=True))
    result = {
        "what": "one epoch of EfficientNet-Lite0 at 224 pixels: image cache against decoding every JPEG",
        "command": "python benchmarks/training_epoch.py "
        + " ".join(sys.argv[1:]).replace(str(arguments.data), "FOLDER"),
        "images": len(manifest),
        "original_sizes": sorted({"x".join(map(str, _size(manifest.location(r)))) for r in manifest.records[:20]}),
        "rounds": arguments.rounds,
        "seconds_median": medians,
        "epoch_plain_over_cached": round(statistics.median(p["epoch"] / c["epoch"] for p, c in pairs), 2),
        "data_path_plain_over_cached": round(statistics.median(data_seconds(p) / data_seconds(c) for p, c in pairs), 2),
        "cache_building_seconds": round(building, 2),
        "environment": describe_environment("cpu", "32-true", compiled=False) | {"python": platform.python_version()},
    }
    print(json.dumps(result, indent=2))
    if arguments.out:
        write_json(arguments.out, result)


def _size(path: str) -> tuple[int, int]:
    from PIL import Image

    with Image.open(path) as opened:
        return opened.size


if __name__ == "__main__":
    main()
