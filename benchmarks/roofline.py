"""Throughput of the network, of decoding and of both from JPEG files, relative to the machine's limits.

    python benchmarks/roofline.py [--data FOLDER] [--model BUNDLE] [--images 512] [--rounds 5] [--out FILE]
    python benchmarks/roofline.py --table FILE [--docs FILE]

Peaks are measured: a product of large float32 matrices, and a copy of a large array, both on all cores. Multiply-adds
and bytes per image follow from the shapes that ONNX infers: weights, and every tensor written once and read once,
without caches. There are two bounds for the rate from files: the rate of the slower of decoding and network, each on
all cores; and, since both share the cores, the rate that follows from the sum of their times. Compared steps alternate.
"""

import argparse
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from common import command, options, publish, versions
from onnx import TensorProto, helper
from PIL import Image, features

from lesionlab import Predictor
from lesionlab.cpu import available_cores
from lesionlab.data import read_dataset
from lesionlab.phantoms import phantom_image
from lesionlab.prediction.inference.session import IMAGES_PER_RUN, GraphSession

CORES = available_cores()
MATRIX, COPIED = 2048, 64 * 2**20  # side; float32 values
Work = Callable[[], float]  # returns the amount of work


def graph_costs(graph: bytes) -> dict[str, float]:
    """Return multiply-adds and bytes per image from the graph's shapes."""
    model = onnx.load_from_string(graph)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {tensor.name: list(tensor.dims) for tensor in inferred.initializer}
    weights = sum(math.prod(shape) * 4 for shape in shapes.values())
    moved = 0
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        kind = value.type.tensor_type
        shapes[value.name] = [dim.dim_value or 1 for dim in kind.shape.dim]
        moved += 2 * math.prod(shapes[value.name]) * (1 if kind.elem_type == TensorProto.UINT8 else 4)
    adds = 0
    for node in inferred.node:
        out = math.prod(shapes.get(node.output[0], [0]))
        if node.op_type == "Conv":
            adds += out * math.prod(shapes[node.input[1]][1:])
        elif node.op_type in ("Gemm", "MatMul"):
            adds += out * shapes.get(node.input[0], [0])[-1]
    return {"multiply_adds": adds, "weight_bytes": weights, "tensor_bytes": moved}


def on_all_cores(work: Callable[[int], object], number: int) -> None:
    with ThreadPoolExecutor(CORES) as pool:
        list(pool.map(work, range(number)))


def matrix_product() -> Work:
    """Measure multiply-adds of a matrix product in the runtime of the network."""
    shape = [MATRIX, MATRIX]
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "abc"]
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "product", tensors[:2], tensors[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = ort.SessionOptions()
    options.intra_op_num_threads = CORES
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    inputs = {name: np.random.default_rng(0).random((MATRIX, MATRIX), np.float32) for name in "ab"}

    def work() -> float:
        for _ in range(4):
            session.run(None, inputs)
        return 4.0 * MATRIX**3

    return work


def copying() -> Work:
    source, target = (np.ones((CORES, COPIED // CORES), np.float32) for _ in range(2))

    def work() -> float:
        on_all_cores(lambda index: np.copyto(target[index], source[index]), CORES)
        return 2.0 * target.nbytes  # read and written

    return work


def images_works(predictor: Predictor, files: list[str]) -> dict[str, Work]:
    """Return the steps from files to predictions, each on all cores, and all together."""
    session = GraphSession(predictor.bundle, 1)
    side = predictor.info.preprocessing.size
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES_PER_RUN, side, side, 3), np.uint8)
    datas = [Path(file).read_bytes() for file in files]
    count = float(len(files))

    def bare_decoder() -> float:
        on_all_cores(lambda index: Image.open(BytesIO(datas[index])).load(), len(files))
        return count

    def preparing() -> float:
        on_all_cores(lambda index: predictor.pipeline.prepare(files[index]), len(files))
        return count

    def network() -> float:
        on_all_cores(lambda _: session.outputs(pixels), len(files) // IMAGES_PER_RUN)
        return count

    def complete() -> float:
        return float(sum(1 for _ in predictor.predict_many(files)))

    return {"bare decoder": bare_decoder, "prepared": preparing, "network": network, "from files": complete}


def rates(works: dict[str, Work], rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
    for _ in range(rounds):
        for name, work in works.items():
            began = time.perf_counter()
            done = work()
            found[name].append(done / (time.perf_counter() - began))
    return found


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    predictor = Predictor.load(arguments.model)
    costs = graph_costs(predictor.bundle.graph)
    machine = {"peak": matrix_product(), "bandwidth": copying()}
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for size in ((224, 224), (600, 450), (3000, 2000)):
            files = make_files(Path(temporary), arguments, size)
            found = rates(machine | images_works(predictor, files), arguments.rounds)
            pairs = list(zip(found["prepared"], found["network"], found["from files"], strict=True))
            slower = [rate / min(prepared, network) for prepared, network, rate in pairs]
            adding = [rate * (1 / prepared + 1 / network) for prepared, network, rate in pairs]
            result["x".join(map(str, size))] = {
                **{f"{name} per second": round(statistics.median(values), 1) for name, values in found.items()},
                "share of the slower of both": round(statistics.median(slower), 3),
                "share of the bound that adds their times": round(statistics.median(adding), 3),
            }
    first = next(iter(result.values()))
    network = first["network per second"]
    return {
        "what": "peaks of the machine, costs of the graph, and rates of decoding, network and both",
        "command": command(arguments),
        "bundle": predictor.info.identity,
        "images_per_run": IMAGES_PER_RUN,
        "graph": costs,
        "multiply_adds_per_byte": round(costs["multiply_adds"] / costs["tensor_bytes"], 2),
        "network_share_of_peak": round(network * costs["multiply_adds"] / first["peak per second"], 3),
        "network_share_of_bandwidth": round(network * costs["tensor_bytes"] / first["bandwidth per second"], 3),
        "sizes": result,
        "environment": versions("onnxruntime", "pillow")
        | {"libjpeg_turbo": features.version_feature("libjpeg_turbo"), "cores": CORES, "cpus": os.cpu_count()},
    }


def make_files(folder: Path, arguments: argparse.Namespace, size: tuple[int, int]) -> list[str]:
    count = arguments.images if max(size) < 1000 else min(64, arguments.images)
    path = folder / "x".join(map(str, size))
    path.mkdir()
    manifest = read_dataset(arguments.data) if arguments.data else None
    files = [str(path / f"{index:04d}.jpg") for index in range(count)]
    for index, file in enumerate(files):
        image = Image.open(manifest.location(manifest.records[index])) if manifest else phantom_image("mel", index)
        image.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return files


def table(result: dict[str, Any]) -> str:
    """Return the table with a summary in Markdown."""
    graph, first = result["graph"], next(iter(result["sizes"].values()))
    summary = (
        f"An image takes {graph['multiply_adds'] / 1e9:.2f} billion multiply-adds and moves "
        f"{graph['tensor_bytes'] / 1e6:.0f} MB, layer by layer. The machine's peaks: "
        f"{first['peak per second'] / 1e9:.0f} billion multiply-adds and {first['bandwidth per second'] / 1e9:.1f} GB "
        f"a second. The network alone predicts {first['network per second']:.1f} images/s: "
        f"{result['network_share_of_peak']:.0%} of the first peak and {result['network_share_of_bandwidth']:.0%} of "
        "the second, of which caches save a part."
    )
    headings = (
        *("files", "libjpeg-turbo alone", "decoded and scaled", "network alone", "from files to predictions"),
        *("of the slower of both", "of the bound that adds their times"),
    )
    lines = [summary, "", "| " + " | ".join(headings) + " |", "|---|" + "---:|" * (len(headings) - 1)]
    for size, row in result["sizes"].items():
        each = [f"{row[f'{name} per second']:.1f}" for name in ("bare decoder", "prepared", "network", "from files")]
        shares = (row["share of the slower of both"], row["share of the bound that adds their times"])
        lines.append("| " + " | ".join((size, *each, *(f"{share:.0%}" for share in shares))) + " |")
    return "\n".join(lines)


def main() -> None:
    names = ("data", "model", "images", "rounds", "out", "table", "docs")
    parser = options(__doc__, *names, images=512, rounds=5, out=Path("roofline.json"))
    publish("roofline", parser.parse_args(), measure, table)


if __name__ == "__main__":
    main()
