"""A reference for timing: EfficientNet-B3 of Keras at 300 pixels in Streamlit, seven classes, random weights."""

import keras  # type: ignore[import-not-found]
import numpy as np
import streamlit as st  # type: ignore[import-not-found]
from keras import layers
from PIL import Image

CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
SIZE = 300


def build_network() -> keras.Model:
    backbone = keras.applications.EfficientNetB3(
        include_top=False, weights=None, input_shape=(SIZE, SIZE, 3), pooling="avg"
    )
    x = backbone.output
    for units, dropout in ((384, 0.3), (128, 0.21)):
        x = layers.Dropout(dropout)(layers.BatchNormalization()(layers.Dense(units, activation="swish")(x)))
    return keras.Model(backbone.input, layers.Dense(len(CLASSES), activation="softmax")(x))


def predict(network: keras.Model, image: Image.Image) -> dict[str, float]:
    pixels = np.asarray(image.convert("RGB").resize((SIZE, SIZE)), np.float32)
    probabilities = network.predict(pixels[None], verbose=0)[0]
    return {name: float(probability) for name, probability in zip(CLASSES, probabilities, strict=True)}


def page() -> None:
    st.title("Skin lesion")
    network = st.cache_resource(build_network)()
    uploaded = st.file_uploader("Image", type=["jpg", "jpeg", "png"])
    if uploaded is not None:
        image = Image.open(uploaded)
        st.image(image)
        if st.button("Classify"):
            st.bar_chart(predict(network, image))


if __name__ == "__main__":
    page()
