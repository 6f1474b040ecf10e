"""Time of a training step on the CPU with bfloat16, with and without float32 for the slow depthwise convolutions.

    python benchmarks/depthwise.py [--backbone NAME] [--out FILE]

Steps of float32, of bfloat16 and of bfloat16 with `compute_in_float32` take turns in one process. The gradients of
each depthwise convolution alone show where the time goes.
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
            "gradients of the depthwise convolutions, ms": gradients(network, images),
        },
    )


def step(network: nn.Module, images: Tensor, *, autocast: bool) -> None:
    """Compute the gradients of one batch."""
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        logits = network(images).float()
    network.zero_grad()
    logits.logsumexp(dim=1).mean().backward()


def gradients(network: nn.Module, images: Tensor) -> list[dict[str, object]]:
    """Return the time of the gradients of each kind of depthwise convolution, with respect to its input and kernel."""
    found: dict[str, dict[str, object]] = {}

    def measure(module: nn.Module, inputs: tuple[Tensor], _output: Tensor) -> None:
        (values,) = inputs
        kind = f"{module.kernel_size[0]}x{module.kernel_size[0]}, stride {module.stride[0]}, {list(values.shape)}"
        if kind in found:
            return
        found[kind] = {"convolution": kind}
        for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
            alone = nn.Conv2d(
                module.in_channels, module.in_channels, module.kernel_size, module.stride, groups=module.groups
            ).to(dtype, memory_format=torch.channels_last)
            given = values.detach().to(dtype).requires_grad_()
            output = alone(given)
            gradient = torch.ones_like(output)
            found[kind][name] = round(1e3 * timed(lambda o=output, g=gradient: o.backward(g, retain_graph=True)), 1)

    depthwise = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.groups == m.in_channels > 1]
    hooks = [module.register_forward_hook(measure) for module in depthwise]
    network(images)
    for hook in hooks:
        hook.remove()
    return list(found.values())


def timed(run: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
