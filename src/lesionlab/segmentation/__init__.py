"""Where the lesion lies in the picture, and what can be measured of it: shape, colours, size in the frame."""

from lesionlab.segmentation.measures import LesionMeasures, measure_lesion
from lesionlab.segmentation.segmenter import Segmenter
from lesionlab.segmentation.store import SegmentationInfo, SegmentationModel, save_segmentation

__all__ = [
    "LesionMeasures",
    "SegmentationInfo",
    "SegmentationModel",
    "Segmenter",
    "measure_lesion",
    "save_segmentation",
]
