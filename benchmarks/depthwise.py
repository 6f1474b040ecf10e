"""Time of a training step on the CPU with bfloat16, with and without float32 for the slow depthwise convolutions.

    python benchmarks/depthwise.py [--backbone NAME] [--out FILE]

Steps of float32, of bfloat16 and of bfloat16 with `compute_in_float32` take turns in one process.
"""

import copy
import statistics
import time
from collections.abc import Callable

import timm
import torch
from common import command, environment, options, write
from torch import Tensor, nn

from lesionlab.training.depthwise import compute_in_float32

ROUNDS, BATCH, SIDE = 7, 32, 224


def main() -> None:
    """Measure and write the result."""
    parser = options(__doc__, "out")
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    arguments = parser.parse_args()
    images = torch.rand(BATCH, 3, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    network = timm.create_model(arguments.backbone, num_classes=7).to(memory_format=torch.channels_last).train()
    mixed = copy.deepcopy(network)
    compute_in_float32(mixed)
    steps = {
        "float32": lambda: step(network, images, autocast=False),
        "bfloat16": lambda: step(network, images, autocast=True),
        "bfloat16, slow depthwise convolutions in float32": lambda: step(mixed, images, autocast=True),
    }
    times: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(ROUNDS + 1):
        for name, run in steps.items():
            seconds = timed(run)
            if turn:  # the first turn warms up
                times[name].append(seconds)
    median = {name: statistics.median(values) for name, values in times.items()}
    write(
        arguments,
        {
            "what": f"forward and backward pass of {arguments.backbone}, {BATCH} images of {SIDE} pixels",
            "command": command(arguments),
            "environment": environment("torch", "timm"),
            "images per second": {name: round(BATCH / seconds, 1) for name, seconds in median.items()},
        },
    )


def step(network: nn.Module, images: Tensor, *, autocast: bool) -> None:
    """Compute the gradients of one batch."""
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        logits = network(images).float()
    network.zero_grad()
    logits.logsumexp(dim=1).mean().backward()


def timed(run: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
