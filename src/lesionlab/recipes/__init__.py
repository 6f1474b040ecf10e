"""Recipes: what to train and how, as data. Each TOML file in `library/` can be called by its name."""

from lesionlab.recipes.arrangement import Arrangement, arrange, check_classes, possible_arrangements
from lesionlab.recipes.augmentation import AugmentationSettings
from lesionlab.recipes.load import change_inference, load_recipe, recipe_names
from lesionlab.recipes.schema import (
    CropSettings,
    DataSettings,
    DistillationSettings,
    HeadSettings,
    InferenceSettings,
    InputSettings,
    LossSettings,
    ModelSettings,
    OptimizerSettings,
    PublishedSettings,
    Recipe,
    SamplingSettings,
    SplitSettings,
    TrainingSettings,
    UnfreezeSettings,
)
from lesionlab.recipes.segmentation import SegmentationSettings

__all__ = [
    "Arrangement",
    "AugmentationSettings",
    "CropSettings",
    "DataSettings",
    "DistillationSettings",
    "HeadSettings",
    "InferenceSettings",
    "InputSettings",
    "LossSettings",
    "ModelSettings",
    "OptimizerSettings",
    "PublishedSettings",
    "Recipe",
    "SamplingSettings",
    "SegmentationSettings",
    "SplitSettings",
    "TrainingSettings",
    "UnfreezeSettings",
    "arrange",
    "change_inference",
    "check_classes",
    "load_recipe",
    "possible_arrangements",
    "recipe_names",
]
