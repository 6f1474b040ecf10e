"""Data: from a folder as it was downloaded to a manifest that is known to be whole, and from there to a split."""

from lesionlab.data.check import DataReport, check_dataset
from lesionlab.data.dataset import load_manifest, read_dataset
from lesionlab.data.manifest import ImageRecord, Manifest
from lesionlab.data.readers import ColumnMapping
from lesionlab.data.split import Split, load_split
from lesionlab.data.stratify import make_split

__all__ = [
    "ColumnMapping",
    "DataReport",
    "ImageRecord",
    "Manifest",
    "Split",
    "check_dataset",
    "load_manifest",
    "load_split",
    "make_split",
    "read_dataset",
]
