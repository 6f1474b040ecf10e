"""Knowledge distillation: the logits of other models for the same augmented images as additional targets.

Source: Hinton et al., Distilling the Knowledge in a Neural Network, NIPS workshop 2014. The teacher is evaluated in
every step on the student's augmented images, since consistent teaching works best (Beyer et al., CVPR 2022).
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch program uses
from torch import Tensor

from lesionlab.data import Split
from lesionlab.errors import DataError
from lesionlab.recipes import DistillationSettings, Recipe
from lesionlab.runs import RunFolder, require_same_subsets
from lesionlab.training.network import VIEWS, LesionNetwork
from lesionlab.training.trained import trained_network


class Teacher:
    """An ensemble of networks, evaluated on each batch; their logits are averaged.

    Teachers take the student's images as they are: images that are cropped to the lesion are not cropped again.

    Args:
        networks: The networks, of the student's task; their weights are not changed.
        sizes: Side of the input of each.
        settings: Weight, temperature and views.
        compiled: Whether to compile the networks.

    Attributes:
        weight: Weight in the loss.
    """

    def __init__(
        self,
        networks: Sequence[LesionNetwork],
        sizes: Sequence[int],
        settings: DistillationSettings,
        *,
        compiled: bool = False,
    ) -> None:
        self.weight = settings.weight
        self._temperature = settings.temperature
        self._by_label = settings.by_label
        self._networks = [
            network.eval().requires_grad_(requires_grad=False).to(memory_format=torch.channels_last)
            for network in networks
        ]
        self._forward = [torch.compile(n.forward, dynamic=False) if compiled else n.forward for n in self._networks]
        self._views = VIEWS[settings.tta]
        self._sizes = sizes

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

    def loss(self, student: Tensor, images: Tensor, allowed: Tensor) -> Tensor:
        """Return the Kullback-Leibler divergence of the student's softened probabilities from the teachers'.

        It is multiplied by the squared temperature, which keeps its gradient on the scale of the label loss, and by the
        teachers' probability of each label if the recipe says so.

        Args:
            student: The student's logits for these images, [N, C].
            images: [N, 3, H, W].
            allowed: Classes that the label of each image allows, as shares from 0 to 1, [N, C].
        """
        logits = self.logits(images)
        target = (logits / self._temperature).softmax(dim=1)
        predicted = (student / self._temperature).log_softmax(dim=1)
        divergence = F.kl_div(predicted, target, reduction="none").sum(dim=1) * self._temperature**2
        if self._by_label:
            divergence = divergence * (logits.softmax(dim=1) * allowed).sum(dim=1)
        return divergence.mean()


class TeacherRuns:
    """The finished runs that teach a student.

    Args:
        recipe: The student's recipe.
        split: The student's split.
        fold: The fold that is the student's validation subset.

    Attributes:
        identity: Names of the runs' recipes and hashes of their weights.
        networks: Their networks.
        sizes: Side of the input of each.

    Raises:
        DataError: A run does not exist, is not finished or has another task; or it was trained with another split or
            fold, possibly on lesions that the student is validated or tested on.
    """

    def __init__(self, recipe: Recipe, split: Split, fold: int | None) -> None:
        runs = [RunFolder(Path(path)) for path in recipe.distillation.teachers]
        self.networks = [_load(run, recipe, split, fold) for run in runs]
        self.sizes = [run.recipe().input.size for run in runs]
        self.identity = ", ".join(
            f"{run.recipe().name}@{hashlib.sha256(run.best.read_bytes()).hexdigest()[:12]}" for run in runs
        )


def _load(run: RunFolder, student: Recipe, split: Split, fold: int | None) -> LesionNetwork:
    run.record()  # a missing run is reported as such
    recipe = run.recipe()
    if recipe.task != student.task:
        raise DataError(f"distillation.teachers: {run.path} is of task {recipe.task}, not {student.task}")
    require_same_subsets(run, split, fold, "distillation.teachers")
    return trained_network(run, recipe.inference.start_share)
