"""Convert an ONNX file to a LiteRT file; a script for an environment with `litert-torch`.

python -I to_litert.py GRAPH.onnx MODEL.tflite
"""

import runpy
import sys
from pathlib import Path

import litert_torch
import onnx
import torch


def main(graph: str, path: str) -> None:
    """Convert a graph whose input is one image, uint8 [1, size, size, 3]."""
    # Loaded by path, since lesionlab need not be installed.
    network = runpy.run_path(str(Path(__file__).with_name("torch_graph.py")))["GraphModule"](onnx.load(graph)).eval()
    shape = [side.dim_value for side in onnx.load(graph).graph.input[0].type.tensor_type.shape.dim]
    with torch.no_grad():
        litert_torch.convert(network, (torch.zeros(shape, dtype=torch.uint8),)).export(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
