"""From an ONNX file to a LiteRT file: run as a script by the Python of an environment that has `litert-torch`.

python -I to_litert.py GRAPH.onnx MODEL.tflite
"""

import runpy
import sys
from pathlib import Path

import litert_torch
import onnx
import torch


def main(graph: str, place: str) -> None:
    """Convert a graph that takes one image, uint8 [1, size, size, 3]."""
    # By its path: lesionlab need not be installed here.
    network = runpy.run_path(str(Path(__file__).with_name("torch_graph.py")))["GraphModule"](onnx.load(graph)).eval()
    shape = [side.dim_value for side in onnx.load(graph).graph.input[0].type.tensor_type.shape.dim]
    with torch.no_grad():
        litert_torch.convert(network, (torch.zeros(shape, dtype=torch.uint8),)).export(place)


if __name__ == "__main__":
    main(*sys.argv[1:])
