"""The shipped graph in plain onnxruntime with default options: batches of 32, decoded in the same thread."""

import sys

import numpy as np
import onnxruntime as ort
from PIL import Image
from protocol import serve

first, path = sys.argv[1:]
session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
side = session.get_inputs()[0].shape[1]


def read(file: str) -> np.ndarray:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR))


def predict(files: list[str]) -> None:
    for start in range(0, len(files), 32):
        session.run(None, {"image": np.stack([read(file) for file in files[start : start + 32]])})


serve(predict, first)
