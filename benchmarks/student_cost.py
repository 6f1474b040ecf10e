"""Latency of the student and of the ensemble that it was distilled from, measured alternately.

    python benchmarks/student_cost.py [--rounds 40] [--threads 2] [--out FILE] [--table FILE] [--docs FILE]

The ensemble is that of docs/training.md: a network for the whole image and one for the lesion crop, each with test-time
augmentation. Its weights are random, which does not change the time; the segmentation network is that of the package.
Ratios are medians over the rounds, with the 5th and 95th percentile.
"""

import argparse
import os
import time
from typing import Any

import numpy as np
import onnxruntime as ort
from common import command, options, publish, versions

from lesionlab.bundle import Bundle
from lesionlab.cpu import available_cores
from lesionlab.export.graph import Crop, export_graph
from lesionlab.recipes import InferenceSettings, Recipe, load_recipe
from lesionlab.segmentation import SegmentationModel
from lesionlab.training.network import LesionNetwork

WARM_UP = 5


def main() -> None:
    names = ("rounds", "threads", "out", "table", "docs")
    parser = options(__doc__, *names, rounds=40, threads=available_cores())
    publish("student-cost", parser.parse_args(), measured, table)


def graphs() -> dict[str, list[bytes]]:
    """Return the graphs of the student and of the ensemble."""
    shipped = Bundle.load()
    square = Recipe.model_validate(shipped.info.recipe)
    whole = load_recipe("efficientnet-lite0")
    crop = Crop(SegmentationModel.load(), square.crop.margin, square.graph_input.size)
    flips = InferenceSettings(tta="flips")
    return {
        "student": [shipped.graph],
        "ensemble": [
            export_graph([LesionNetwork(whole)], whole.input.size, flips),
            export_graph([LesionNetwork(square)], square.input.size, flips, crop),
        ],
    }


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    options.log_severity_level = 3
    # Spinning threads of one session would take the cores from the next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = ["CPUExecutionProvider"]
    sessions_by_name = {
        name: [ort.InferenceSession(graph, options, providers=providers) for graph in some]
        for name, some in graphs().items()
    }
    draw = np.random.default_rng(0)
    taken: dict[str, list[float]] = {name: [] for name in sessions_by_name}
    for number in range(arguments.rounds + WARM_UP):
        for name, sessions in sessions_by_name.items():
            size = sessions[0].get_inputs()[0].shape[1]
            image = draw.integers(0, 256, (1, size, size, 3), dtype=np.uint8)
            began = time.perf_counter()
            for session in sessions:
                session.run(["logits"], {"image": image})
            if number >= WARM_UP:
                taken[name].append(time.perf_counter() - began)
    ratios = np.array(taken["ensemble"]) / np.array(taken["student"])
    low, middle, high = np.percentile(ratios, (5, 50, 95))
    return {
        "what": "latency of one image: the student and its teachers' ensemble, alternating",
        "command": command(arguments),
        "bundle": Bundle.load().info.identity,
        "versions": versions("onnxruntime", "numpy"),
        "machine": {"threads": arguments.threads, "cpus": os.cpu_count()},
        "rounds": arguments.rounds,
        "milliseconds": {name: round(1000 * float(np.median(seconds)), 2) for name, seconds in taken.items()},
        "times_student": {"median": round(middle, 2), "p5": round(low, 2), "p95": round(high, 2)},
    }


def table(result: dict[str, Any]) -> str:
    """Return the result in a sentence."""
    times, milliseconds = result["times_student"], result["milliseconds"]
    return (
        f"An image takes the student {milliseconds['student']:.1f} ms and the ensemble "
        f"{milliseconds['ensemble']:.1f} ms: "
        f"{times['median']:.1f} times as long ({times['p5']:.1f} to {times['p95']:.1f})."
    )


if __name__ == "__main__":
    main()
