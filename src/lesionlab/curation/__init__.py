"""Duplicates within a dataset, across its subsets and across datasets, and a page to review them."""

from lesionlab.curation.duplicates import find_duplicates
from lesionlab.curation.features import ImageFeatures, describe_images
from lesionlab.curation.page import render_pairs
from lesionlab.curation.pairs import ImagePair, PairKind

__all__ = ["ImageFeatures", "ImagePair", "PairKind", "describe_images", "find_duplicates", "render_pairs"]
