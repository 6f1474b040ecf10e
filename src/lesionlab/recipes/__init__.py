"""Recipes: training configurations as TOML files. Those in `library/` are loaded by name."""

from lesionlab.recipes.augmentation import AugmentationSettings
from lesionlab.recipes.data import DataSettings, SamplingSettings, SplitSettings
from lesionlab.recipes.load import change_inference, change_recipe, load_recipe, recipe_names
from lesionlab.recipes.schema import (
    CropSettings,
    DistillationSettings,
    HeadSettings,
    InferenceSettings,
    InputSettings,
    LossSettings,
    ModelSettings,
    OptimizerSettings,
    PublishedSettings,
    Recipe,
    TrainingSettings,
    UnfreezeSettings,
)
from lesionlab.recipes.segmentation import SegmentationSettings
from lesionlab.recipes.split_protocol import (
    SplitProtocol,
    check_classes,
    possible_protocols,
    prepare_split,
    usable_images,
    usable_split,
)

__all__ = [
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
    "SplitProtocol",
    "SplitSettings",
    "TrainingSettings",
    "UnfreezeSettings",
    "change_inference",
    "change_recipe",
    "check_classes",
    "load_recipe",
    "possible_protocols",
    "prepare_split",
    "recipe_names",
    "usable_images",
    "usable_split",
]
