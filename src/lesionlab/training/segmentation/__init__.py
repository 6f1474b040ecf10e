"""Training of the lesion segmentation model."""

from lesionlab.training.segmentation.train import train_segmentation

__all__ = ["train_segmentation"]
