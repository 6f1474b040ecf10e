"""Duplicates and label errors of datasets, and a page to review them."""

from lesionlab.curation.duplicates import find_duplicates
from lesionlab.curation.features import ImageFeatures, describe_images
from lesionlab.curation.frozen_features import imagenet_features, model_features
from lesionlab.curation.label_issues import LesionLabel, classes_of_labels, rank_labels
from lesionlab.curation.out_of_fold import predict_out_of_fold
from lesionlab.curation.page import render_review
from lesionlab.curation.pairs import ImagePair, PairKind

__all__ = [
    "ImageFeatures",
    "ImagePair",
    "LesionLabel",
    "PairKind",
    "classes_of_labels",
    "describe_images",
    "find_duplicates",
    "imagenet_features",
    "model_features",
    "predict_out_of_fold",
    "rank_labels",
    "render_review",
]
