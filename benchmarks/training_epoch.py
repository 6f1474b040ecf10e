"""An epoch of fine-tuning on the CPU: a plain PyTorch loop, and the effect of each optimisation.

    python benchmarks/training_epoch.py --data FOLDER [--images 128] [--rounds 3] [--out FILE] [--docs FILE]
    python benchmarks/training_epoch.py --table FILE [--docs FILE]

The plain loop opens each file with Pillow, transforms it with torchvision and trains in eager mode; each further
variant adds one optimisation. All variants train the same network on the same images in alternation, so that drift of
the machine's speed affects them equally; ratios are medians over the rounds. The first round, which includes
compilation, is excluded. bfloat16 is measured only on processors with matrix units for it.
"""

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch program uses
from common import options, publish
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from lesionlab.data import Manifest, draw_subset, read_dataset
from lesionlab.images import Preprocessing
from lesionlab.recipes import load_recipe
from lesionlab.taxonomy import CODES
from lesionlab.training.augmentation import BatchAugmentation
from lesionlab.training.batches import CachedImages, make_loader, to_images
from lesionlab.training.cache import open_image_cache
from lesionlab.training.device import Compute, can_compile, choose_precision
from lesionlab.training.memory import keep_freed_memory
from lesionlab.training.network import LesionNetwork

RECIPE = load_recipe("efficientnet-lite0")
Batches = Callable[[], Iterable[tuple[Tensor, Tensor]]]


class PlainImages(Dataset[tuple[Tensor, int]]):
    """Opens, decodes, resizes and augments an image at each access."""

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
        path, label = self.items[index]
        with Image.open(path) as opened:
            return self.transform(opened.convert("RGB")), label


class Variant:
    """A variant of the training loop, with its own network.

    Args:
        batches: Returns the batches of an epoch: images [N, 3, H, W] with values in [0, 1], and labels [N].
        layout: Memory format of images and weights.
        keeps_memory: Whether freed memory is kept in the process.
        compiled: Whether the network is compiled.
        bfloat16: Whether the network computes in bfloat16.
    """

    def __init__(
        self,
        batches: Batches,
        layout: torch.memory_format = torch.contiguous_format,
        *,
        keeps_memory: bool = False,
        compiled: bool = False,
        bfloat16: bool = False,
    ) -> None:
        torch.manual_seed(0)
        network = LesionNetwork(RECIPE).to(memory_format=layout).train()
        self.batches, self.layout, self.keeps_memory, self.bfloat16 = batches, layout, keeps_memory, bfloat16
        self.logits = torch.compile(network.forward, dynamic=False) if compiled else network.forward
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)

    def epoch(self) -> float:
        """Train for one epoch and return its seconds."""
        began = time.perf_counter()
        with keep_freed_memory() if self.keeps_memory else nullcontext():
            for images, labels in self.batches():
                placed = images.contiguous(memory_format=self.layout)
                with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
                    logits = self.logits(placed)
                torch.autograd.backward(F.cross_entropy(logits.float(), labels))
                self.optimizer.step()
                self.optimizer.zero_grad()
        return time.perf_counter() - began


def variants(manifest: Manifest) -> dict[str, Variant]:
    size, labels = RECIPE.training.batch_size, [CODES.index(r.diagnosis) for r in manifest]
    pixels = open_image_cache(manifest, Preprocessing(**RECIPE.input.model_dump()))
    cached = CachedImages(pixels, range(len(manifest)), labels)
    augment = BatchAugmentation(RECIPE.augmentation)

    def ours() -> Iterable[tuple[Tensor, Tensor]]:
        return ((augment(to_images(found)), labels) for found, labels in make_loader(cached, size, seed=0))

    last = torch.channels_last
    plain: Any = DataLoader(PlainImages(manifest), batch_size=size, shuffle=True, drop_last=True)
    found = {
        "plain loop: each JPEG decoded, eager": Variant(lambda: plain),
        "and images decoded once, augmented by batch": Variant(ours),
        "and channels last": Variant(ours, last),
        "and freed memory kept": Variant(ours, last, keeps_memory=True),
    }
    if can_compile("cpu"):
        found["and compiled"] = Variant(ours, last, keeps_memory=True, compiled=True)
    if choose_precision("auto", "cpu") == "bf16-mixed":
        found["and bfloat16"] = Variant(ours, last, keeps_memory=True, compiled=can_compile("cpu"), bfloat16=True)
    return found


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    manifest = draw_subset(read_dataset(arguments.data), arguments.images, 0)
    count = len(manifest) // RECIPE.training.batch_size * RECIPE.training.batch_size
    manifest = Manifest(manifest.root, manifest.records[:count])  # complete batches: equal numbers of images
    compared = variants(manifest)
    first = {name: variant.epoch() for name, variant in compared.items()}
    rounds = [{name: variant.epoch() for name, variant in compared.items()} for _ in range(arguments.rounds)]
    plain = next(iter(compared))
    rows = {}
    for name in compared:
        ratios = [times[plain] / times[name] for times in rounds]
        rows[name] = {
            "images_per_second": round(statistics.median(count / times[name] for times in rounds), 2),
            "times_plain": round(statistics.median(ratios), 3),
            "times_plain_min": round(min(ratios), 3),
            "times_plain_max": round(max(ratios), 3),
            "first_epoch_seconds": round(first[name], 1),
        }
    command = "python benchmarks/training_epoch.py " + " ".join(sys.argv[1:])
    return {
        "what": "an epoch of EfficientNet-Lite0 at 224 pixels on the CPU: a plain loop, and each optimisation added",
        "command": command.replace(str(arguments.data), "FOLDER"),
        "images": count,
        "rounds": arguments.rounds,
        "variants": rows,
        "bfloat16_units": choose_precision("auto", "cpu") == "bf16-mixed",
        "environment": Compute("cpu", "32-true", can_compile("cpu")).describe() | {"python": platform.python_version()},
    }


def table(result: dict[str, Any]) -> str:
    """Return the table in Markdown."""
    lines = [
        f"{result['images']} images, {result['rounds']} rounds, {result['environment']['threads']} threads:",
        "",
        "| variant | images/s | speed relative to the plain loop (min to max) |",
        "|---|---:|---:|",
    ]
    for name, row in result["variants"].items():
        spread = f"{row['times_plain']:.2f} ({row['times_plain_min']:.2f} to {row['times_plain_max']:.2f})"
        lines.append(f"| {name} | {row['images_per_second']:.1f} | {spread} |")
    if not result["bfloat16_units"]:
        lines += ["", 'This processor has no matrix units for bfloat16 (AMX); `precision = "auto"` is float32.']
    return "\n".join(lines)


def main() -> None:
    parser = options(__doc__, "data", "images", "rounds", "out", "table", "docs", images=128, rounds=3)
    arguments = parser.parse_args()
    if not (arguments.data or arguments.table):
        parser.error("--data or --table is needed")
    publish("training-epoch", arguments, measure, table)


if __name__ == "__main__":
    main()
