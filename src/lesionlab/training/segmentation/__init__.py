"""Training of the segmentation model: from images with masks to `segmentation.onnx`."""

from lesionlab.training.segmentation.train import train_segmentation

__all__ = ["train_segmentation"]
