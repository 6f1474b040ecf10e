"""The report of a dataset: counts, measures, leaks and shortcuts, before any training."""

from lesionlab.curation.report.describe import SAMPLE, DatasetDescription, describe_dataset
from lesionlab.curation.report.findings import main_findings, overview
from lesionlab.curation.report.leak import Leak, expected_leak
from lesionlab.curation.report.page import render_report
from lesionlab.curation.report.shortcuts import Shortcut

__all__ = [
    "SAMPLE",
    "DatasetDescription",
    "Leak",
    "Shortcut",
    "describe_dataset",
    "expected_leak",
    "main_findings",
    "overview",
    "render_report",
]
