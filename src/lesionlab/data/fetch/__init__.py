"""Download of public datasets from their official places."""

from lesionlab.data.fetch.datasets import Dataset, RemoteFile, datasets, find_dataset
from lesionlab.data.fetch.download import Downloader
from lesionlab.data.fetch.fetch import PlannedFile, fetch_dataset, plan_download
from lesionlab.data.fetch.isic_archive import ISIC_ARCHIVE, ArchiveQuery, archive_record, fetch_archive
from lesionlab.data.fetch.record import ArchiveSelection, DatasetRecord, FetchedFile

__all__ = [
    "ISIC_ARCHIVE",
    "ArchiveQuery",
    "ArchiveSelection",
    "Dataset",
    "DatasetRecord",
    "Downloader",
    "FetchedFile",
    "PlannedFile",
    "RemoteFile",
    "archive_record",
    "datasets",
    "fetch_archive",
    "fetch_dataset",
    "find_dataset",
    "plan_download",
]
