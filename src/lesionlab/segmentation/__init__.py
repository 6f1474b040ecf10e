"""Segmentation of the lesion and its measures: shape, colours and size."""

from lesionlab.segmentation.measures import measure_lesion
from lesionlab.segmentation.outline import lesion_outline
from lesionlab.segmentation.segmenter import Segmenter
from lesionlab.segmentation.store import SegmentationInfo, SegmentationModel, save_segmentation

__all__ = [
    "SegmentationInfo",
    "SegmentationModel",
    "Segmenter",
    "lesion_outline",
    "measure_lesion",
    "save_segmentation",
]
