"""Data: reading datasets into manifests, checking them, and splitting them."""

from lesionlab.data.check import DataReport, check_dataset, check_scan
from lesionlab.data.dataset import load_manifest, read_dataset, scan_dataset
from lesionlab.data.given_split import given_split
from lesionlab.data.hmnist import export_hmnist, import_hmnist, read_hmnist, write_hmnist
from lesionlab.data.join import join_datasets, split_datasets
from lesionlab.data.manifest import ImageRecord, Manifest
from lesionlab.data.oversample import oversample, without_copies
from lesionlab.data.readers import ColumnMapping
from lesionlab.data.small_images import shrink_images, write_small_images
from lesionlab.data.split import Split, load_split
from lesionlab.data.stratify import leave_source_out, lesion_sources, make_split
from lesionlab.data.subset import draw_subset, images_of_task, left_out_in_words

__all__ = [
    "ColumnMapping",
    "DataReport",
    "ImageRecord",
    "Manifest",
    "Split",
    "check_dataset",
    "check_scan",
    "draw_subset",
    "export_hmnist",
    "given_split",
    "images_of_task",
    "import_hmnist",
    "join_datasets",
    "leave_source_out",
    "left_out_in_words",
    "lesion_sources",
    "load_manifest",
    "load_split",
    "make_split",
    "oversample",
    "read_dataset",
    "read_hmnist",
    "scan_dataset",
    "shrink_images",
    "split_datasets",
    "without_copies",
    "write_hmnist",
    "write_small_images",
]
