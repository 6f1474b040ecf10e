"""Keras as in typical notebooks: its own image loader, and `predict` on batches of 32.

    keras_pipeline.py FIRST NETWORK SIDE

NETWORK is a name of `keras.applications`, SIDE the side of its input. Its weights are random, which
does not change the time.
"""

import sys

import keras
import numpy as np
from protocol import serve

first, name, side = sys.argv[1], sys.argv[2], int(sys.argv[3])
backbone = getattr(keras.applications, name)(
    include_top=False, weights=None, input_shape=(side, side, 3), pooling="avg"
)
network = keras.Model(backbone.input, keras.layers.Dense(7, activation="softmax")(backbone.output))
scale = 1.0 if name.startswith("EfficientNet") else 1 / 255  # EfficientNets scale inside


def read(file: str) -> np.ndarray:
    return keras.utils.img_to_array(keras.utils.load_img(file, target_size=(side, side))) * scale


def predict(files: list[str]) -> None:
    for start in range(0, len(files), 32):
        network.predict(np.stack([read(file) for file in files[start : start + 32]]), verbose=0)


serve(predict, first)
