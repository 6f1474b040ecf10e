"""Recipes: what to train and how, as data. Each TOML file in `library/` can be called by its name."""

from lesionlab.recipes.load import load_recipe, recipe_names
from lesionlab.recipes.schema import (
    AugmentationSettings,
    InferenceSettings,
    InputSettings,
    LossSettings,
    ModelSettings,
    OptimizerSettings,
    Recipe,
    SplitSettings,
    TrainingSettings,
)

__all__ = [
    "AugmentationSettings",
    "InferenceSettings",
    "InputSettings",
    "LossSettings",
    "ModelSettings",
    "OptimizerSettings",
    "Recipe",
    "SplitSettings",
    "TrainingSettings",
    "load_recipe",
    "recipe_names",
]
