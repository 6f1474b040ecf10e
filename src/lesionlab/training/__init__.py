"""Training: from a recipe and a dataset to a run folder. Needs the extra `train`."""

from lesionlab.training.train import train_recipe

__all__ = ["train_recipe"]
