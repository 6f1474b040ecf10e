"""Knowledge distillation: the logits of other runs for the same augmented images as additional targets.

Source: Hinton et al., Distilling the Knowledge in a Neural Network, NIPS workshop 2014. The teacher is evaluated in
every step on the student's augmented images, since consistent teaching works best (Beyer et al., CVPR 2022).
"""

import hashlib
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch program uses
from torch import Tensor

from lesionlab.data import Split
from lesionlab.errors import DataError
from lesionlab.recipes import Recipe
from lesionlab.runs import RunFolder, require_same_subsets
from lesionlab.training.network import VIEWS, LesionNetwork
from lesionlab.training.trained import trained_network


class Teacher:
    """An ensemble of finished runs, evaluated on each batch; their logits are averaged.

    Teachers take the student's images as they are: images that are cropped to the lesion are not cropped again.

    Attributes:
        identity: Names of the runs' recipes and hashes of their weights.
        weight: Weight in the loss.
    """

    def __init__(self, recipe: Recipe, split: Split, fold: int | None, *, compiled: bool = False) -> None:
        """Load the runs.

        Args:
            recipe: The student's recipe.
            split: The student's split.
            fold: The fold that is the student's validation subset.
            compiled: Whether to compile the networks.

        Raises:
            DataError: A run does not exist, is not finished or has another task; or it was trained with another split
                or fold, possibly on lesions that the student is validated or tested on.
        """
        self.weight = recipe.distillation.weight
        self._temperature = recipe.distillation.temperature
        runs = [RunFolder(Path(path)) for path in recipe.distillation.teachers]
        self._networks = [_load(run, recipe, split, fold) for run in runs]
        self._forward = [torch.compile(n.forward, dynamic=False) if compiled else n.forward for n in self._networks]
        self._views = VIEWS[recipe.distillation.tta]
        self._sizes = [run.recipe().input.size for run in runs]
        self.identity = ", ".join(
            f"{run.recipe().name}@{hashlib.sha256(run.best.read_bytes()).hexdigest()[:12]}" for run in runs
        )

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """Return the mean logits [N, C] of teachers and views for images [N, 3, H, W] with pixels in [0, 1]."""
        logits = []
        for network, forward, size in zip(self._networks, self._forward, self._sizes, strict=True):
            network.to(images.device)
            inputs = images
            if images.shape[2] != size:
                inputs = F.interpolate(images, (size, size), mode="bilinear", antialias=True)
            logits += [forward(inputs.flip(axes) if axes else inputs).float() for axes in self._views]
        return torch.stack(logits).mean(dim=0)

    def loss(self, student: Tensor, images: Tensor) -> Tensor:
        """Return the Kullback-Leibler divergence of the student's softened probabilities from the teachers'.

        It is multiplied by the squared temperature, which keeps its gradient on the scale of the label loss.

        Args:
            student: The student's logits for these images, [N, C].
            images: [N, 3, H, W].
        """
        target = (self.logits(images) / self._temperature).softmax(dim=1)
        predicted = (student / self._temperature).log_softmax(dim=1)
        return F.kl_div(predicted, target, reduction="batchmean") * self._temperature**2


def _load(run: RunFolder, student: Recipe, split: Split, fold: int | None) -> LesionNetwork:
    run.record()  # a missing run is reported as such
    recipe = run.recipe()
    if recipe.task != student.task:
        raise DataError(f"distillation.teachers: {run.path} is of task {recipe.task}, not {student.task}")
    require_same_subsets(run, split, fold, "distillation.teachers")
    network = trained_network(run, recipe.inference.start_share).eval().requires_grad_(requires_grad=False)
    return network.to(memory_format=torch.channels_last)
