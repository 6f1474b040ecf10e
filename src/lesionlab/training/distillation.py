"""Learning from a teacher: another model's logits for the same augmented images, beside the labels.

Source: Hinton et al., Distilling the Knowledge in a Neural Network, NIPS workshop 2014. A consistent teacher, one that
sees the student's very views, teaches most (Beyer et al., CVPR 2022): so it is asked at each step, not once for all.
"""

from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch program uses
from torch import Tensor

from lesionlab.bundle import Bundle
from lesionlab.data import Split
from lesionlab.errors import DataError
from lesionlab.prediction.session import GraphSession
from lesionlab.recipes import DistillationSettings, Recipe


class Teacher:
    """A bundle that is asked for each batch.

    Args:
        settings: Where it is, and how much it counts.
        recipe: The student's recipe.
        split: How the student's data are divided.

    Raises:
        BundleError: There is no such bundle.
        DataError: It was made with another split, so that it knows lesions that the student is to be judged on, or
            answers another question.
    """

    def __init__(self, settings: DistillationSettings, recipe: Recipe, split: Split) -> None:
        bundle = Bundle.load(Path(settings.teacher))
        info = bundle.info
        if info.task != recipe.task:
            raise DataError(f"distillation.teacher: {info.identity} is of task {info.task}, not {recipe.task}")
        if info.training_data.split_sha256 != split.sha256:
            raise DataError(
                f"distillation.teacher: {info.identity} was trained with another split and may know the lesions that "
                "this run is judged on; train the teacher with the same split"
            )
        self.settings = settings
        self.identity = info.identity
        self._size = info.preprocessing.size
        self._session = GraphSession(bundle)

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """Return the teacher's logits [N, C] for images [N, 3, H, W] with pixels in [0, 1]."""
        if images.shape[2] != self._size:
            images = F.interpolate(images, (self._size, self._size), mode="bilinear", antialias=True)
        pixels = (images * 255).round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        return torch.from_numpy(self._session.logits(pixels.cpu().numpy())).to(images.device)

    def loss(self, student: Tensor, images: Tensor) -> Tensor:
        """Return how far the student's softened probabilities diverge from the teacher's.

        The temperature squared keeps the gradient as large as that of the labels.

        Args:
            student: The student's logits for these images, [N, C].
            images: [N, 3, H, W].
        """
        heat = self.settings.temperature
        taught = (self.logits(images) / heat).softmax(dim=1)
        return F.kl_div((student / heat).log_softmax(dim=1), taught, reduction="batchmean") * heat**2
