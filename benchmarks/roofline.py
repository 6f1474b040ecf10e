"""How near the machine's limits the whole path is: network, decoding, and both together from JPEG files.

    python benchmarks/roofline.py [--data FOLDER] [--model BUNDLE] [--images 512] [--rounds 5] [--out FILE]
    python benchmarks/roofline.py --table FILE [--docs FILE]

Peaks are measured: a product of large float32 matrices, and a copy of a large array, both on all cores. Multiply-adds
and bytes per image are those of the graph's layers as they stand, from the shapes that ONNX infers: weights, and every
tensor written once and read once, as if no cache kept one. Two bounds of the rate from files follow. The looser one
is the slower of decoding and network, each alone on all cores; but they share these, so the honest one adds the
times that they take. What is compared runs in turn.
"""

import argparse
import math
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from marked import add_outputs, publish
from onnx import TensorProto, helper
from PIL import Image, features

from lesionlab import Predictor
from lesionlab.cpu import available_cores
from lesionlab.data import read_dataset
from lesionlab.phantoms import phantom_image
from lesionlab.prediction.inference.session import IMAGES_PER_RUN, GraphSession

CORES = available_cores()
MATRIX, COPIED = 2048, 64 * 2**20  # side; float32 values
Work = Callable[[], float]  # returns how much was done


def graph_costs(graph: bytes) -> dict[str, float]:
    """Return multiply-adds and bytes that one image costs, from the graph's shapes."""
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
    """Multiply-adds of a product in the runtime that also runs the network."""
    shape = [MATRIX, MATRIX]
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "abc"]
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "product", tensors[:2], tensors[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = ort.SessionOptions()
    options.intra_op_num_threads = CORES
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    given = {name: np.random.default_rng(0).random((MATRIX, MATRIX), np.float32) for name in "ab"}

    def work() -> float:
        for _ in range(4):
            session.run(None, given)
        return 4.0 * MATRIX**3

    return work


def copying() -> Work:
    source, target = (np.ones((CORES, COPIED // CORES), np.float32) for _ in range(2))

    def work() -> float:
        on_all_cores(lambda index: np.copyto(target[index], source[index]), CORES)
        return 2.0 * target.nbytes  # read and written

    return work


def images_works(predictor: Predictor, files: list[str]) -> dict[str, Work]:
    """Return the parts of the path from files to predictions, each alone on all cores, and the whole."""
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

    def whole() -> float:
        return float(sum(1 for _ in predictor.predict_many(files)))

    return {"bare decoder": bare_decoder, "prepared": preparing, "network": network, "from files": whole}


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
    with tempfile.TemporaryDirectory() as made:
        for size in ((224, 224), (600, 450), (3000, 2000)):
            files = make_files(Path(made), arguments, size)
            found = rates(machine | images_works(predictor, files), arguments.rounds)
            pairs = list(zip(found["prepared"], found["network"], found["from files"], strict=True))
            slower = [whole / min(prepared, network) for prepared, network, whole in pairs]
            adding = [whole * (1 / prepared + 1 / network) for prepared, network, whole in pairs]
            result["x".join(map(str, size))] = {
                **{f"{name} per second": round(statistics.median(values), 1) for name, values in found.items()},
                "share of the slower of both": round(statistics.median(slower), 3),
                "share of the bound that adds their times": round(statistics.median(adding), 3),
            }
    first = next(iter(result.values()))
    network = first["network per second"]
    return {
        "what": "the machine's peaks, the graph's needs, and the rates of decoding, network and both",
        "command": "python benchmarks/roofline.py",
        "bundle": predictor.info.identity,
        "images_per_run": IMAGES_PER_RUN,
        "graph": costs,
        "multiply_adds_per_byte": round(costs["multiply_adds"] / costs["tensor_bytes"], 2),
        "network_share_of_peak": round(network * costs["multiply_adds"] / first["peak per second"], 3),
        "network_share_of_bandwidth": round(network * costs["tensor_bytes"] / first["bandwidth per second"], 3),
        "sizes": result,
        "environment": {"python": platform.python_version(), "cores": CORES, "onnxruntime": version("onnxruntime")}
        | {"libjpeg_turbo": features.version_feature("libjpeg_turbo"), "pillow": version("pillow")}
        | {"cpus": os.cpu_count()},
    }


def make_files(folder: Path, arguments: argparse.Namespace, size: tuple[int, int]) -> list[str]:
    count = arguments.images if max(size) < 1000 else min(64, arguments.images)
    place = folder / "x".join(map(str, size))
    place.mkdir()
    manifest = read_dataset(arguments.data) if arguments.data else None
    files = [str(place / f"{index:04d}.jpg") for index in range(count)]
    for index, file in enumerate(files):
        picture = Image.open(manifest.location(manifest.records[index])) if manifest else phantom_image("mel", index)
        picture.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    return files


def table(result: dict[str, Any]) -> str:
    """Return the table and what it says in Markdown."""
    graph, first = result["graph"], next(iter(result["sizes"].values()))
    needs = (
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
    lines = [needs, "", "| " + " | ".join(headings) + " |", "|---|" + "---:|" * (len(headings) - 1)]
    for size, row in result["sizes"].items():
        each = [f"{row[f'{name} per second']:.1f}" for name in ("bare decoder", "prepared", "network", "from files")]
        shares = (row["share of the slower of both"], row["share of the bound that adds their times"])
        lines.append("| " + " | ".join((size, *each, *(f"{share:.0%}" for share in shares))) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="dataset whose first images are judged; default: phantoms")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    add_outputs(parser, "roofline.json")
    publish("roofline", parser.parse_args(), measure, table)


if __name__ == "__main__":
    main()
