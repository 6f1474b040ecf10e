"""Learning from teachers: the logits of other runs for the same augmented images, beside the labels.

Source: Hinton et al., Distilling the Knowledge in a Neural Network, NIPS workshop 2014. A consistent teacher, one that
sees the student's very views, teaches most (Beyer et al., CVPR 2022): so it is asked at each step, not once for all.
"""

import hashlib
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch program uses
from torch import Tensor

from lesionlab.data import Split
from lesionlab.errors import DataError
from lesionlab.recipes import Recipe
from lesionlab.runs import RunFolder
from lesionlab.training.network import VIEWS, LesionNetwork
from lesionlab.training.trained import trained_network


class Teacher:
    """Finished runs that are asked for each batch; their logits are averaged, as an ensemble's are.

    A teacher is asked about the student's images as they are: where the student sees squares around the lesion, it is
    not looked for again.

    Attributes:
        identity: Names of the runs' recipes and hashes of their weights.
        weight: Share in the loss.
    """

    def __init__(self, recipe: Recipe, split: Split, fold: int | None, *, compiled: bool = False) -> None:
        """Open the runs.

        Args:
            recipe: The student's recipe.
            split: How the student's data are divided.
            fold: Which fold of the split is the student's validation part.
            compiled: Whether to fuse the networks' operations.

        Raises:
            DataError: There is no such run, it is not finished, or it answers another question; or it was trained with
                another split or fold, so that it knows lesions that the student is to be judged on.
        """
        self.weight = recipe.distillation.weight
        self._temperature = recipe.distillation.temperature
        runs = [RunFolder(Path(path)) for path in recipe.distillation.teachers]
        self._networks = [_opened(run, recipe, split, fold) for run in runs]
        self._judges = [torch.compile(n.forward, dynamic=False) if compiled else n.forward for n in self._networks]
        self._views = VIEWS[recipe.distillation.tta]
        self._sizes = [run.recipe().input.size for run in runs]
        self.identity = ", ".join(
            f"{run.recipe().name}@{hashlib.sha256(run.best.read_bytes()).hexdigest()[:12]}" for run in runs
        )

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """Return the mean logits [N, C] of teachers and views for images [N, 3, H, W] with pixels in [0, 1]."""
        answers = []
        for network, judge, size in zip(self._networks, self._judges, self._sizes, strict=True):
            network.to(images.device)
            seen = images
            if images.shape[2] != size:
                seen = F.interpolate(images, (size, size), mode="bilinear", antialias=True)
            answers += [judge(seen.flip(axes) if axes else seen).float() for axes in self._views]
        return torch.stack(answers).mean(dim=0)

    def loss(self, student: Tensor, images: Tensor) -> Tensor:
        """Return how far the student's softened probabilities diverge from the teachers'.

        The temperature squared keeps the gradient as large as that of the labels.

        Args:
            student: The student's logits for these images, [N, C].
            images: [N, 3, H, W].
        """
        taught = (self.logits(images) / self._temperature).softmax(dim=1)
        own = (student / self._temperature).log_softmax(dim=1)
        return F.kl_div(own, taught, reduction="batchmean") * self._temperature**2


def _opened(run: RunFolder, student: Recipe, split: Split, fold: int | None) -> LesionNetwork:
    record, recipe = run.record(), run.recipe()
    if recipe.task != student.task:
        raise DataError(f"distillation.teachers: {run.path} is of task {recipe.task}, not {student.task}")
    if (record.split_sha256, record.fold) != (split.sha256, fold):
        raise DataError(
            f"distillation.teachers: {run.path} was trained with another split or fold and may know the lesions that "
            "this run is judged on; train the teacher with the same split"
        )
    network = trained_network(run, recipe.inference.start_share).eval().requires_grad_(requires_grad=False)
    return network.to(memory_format=torch.channels_last)
