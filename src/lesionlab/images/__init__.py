"""Reading, decoding and preprocessing of images, shared by training and inference."""

from lesionlab.images.decode import DecodedImage, decode_image
from lesionlab.images.preprocess import Preprocessing
from lesionlab.images.read import read_image_bytes
from lesionlab.images.source import ImageSource, NamedImage, load_image

__all__ = [
    "DecodedImage",
    "ImageSource",
    "NamedImage",
    "Preprocessing",
    "decode_image",
    "load_image",
    "read_image_bytes",
]
