"""What was measured of a model's explanations, as it is written to JSON."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from lesionlab.metrics import Estimate, lesion_weights
from lesionlab.metrics.arrays import weighted_mean

_RESAMPLES, _SEED = 1000, 0
# A rank correlation above it would make a map of the trained network tell that of one at random.
ALIKE = 0.5


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Similarity(_Result):
    """How alike the maps of the trained network are to others, 1 for the same.

    Attributes:
        rank: Spearman's rank correlation.
        ssim: Structural similarity of what is shown.
    """

    rank: Estimate
    ssim: Estimate


class MethodCheck(_Result):
    """What was measured of one method, or of a control, on some images.

    Attributes:
        method: Its name.
        title: What a reader calls it.
        images: Number of images.
        lesions: Number of their lesions.
        empty: Number of images where nothing spoke for the class; they count for neither energy nor pointing.
        energy: Share of the map on the lesion's mask, by name of the dilation.
        pointing: Share of maps whose peak lies on the mask, half a cell wider.
        curve_images: Number of images of the two curves.
        deletion: Area under the probability's curve while the strongest places go first.
        insertion: The same while they come first.
        randomised_images: Number of images of the randomisation check.
        randomised: By how much of the network is at random; `other image`: maps of the same network for another image.
    """

    method: str
    title: str
    images: int
    lesions: int
    empty: int
    energy: dict[str, Estimate]
    pointing: Estimate
    curve_images: int
    deletion: Estimate
    insertion: Estimate
    randomised_images: int = 0
    randomised: dict[str, Similarity] = {}

    @property
    def passes_randomisation(self) -> bool | None:
        """Whether maps of a network at random are others than the trained one's; None where it was not looked at."""
        if "all" not in self.randomised:
            return None
        high = self.randomised["all"].rank.high
        return high is not None and high < ALIKE


class ArtefactCheck(_Result):
    """What something beside the lesion does.

    Attributes:
        artefact: What it is; `corners` are those of the pictures as they are.
        images: Number of images.
        answers_changed: Share of images that get another answer.
        called_malignant: Of the benign answers, the share that becomes malignant; None where no answer was benign.
        suspicion_moved: Mean of how far the probability of what is looked for moves, either way.
        map_before: Share of the map where the artefact will lie, half a cell wider.
        map_after: Share of the map there with the artefact.
        area: Share of the picture that this is.
    """

    artefact: str
    images: int
    answers_changed: Estimate | None = None
    called_malignant: Estimate | None = None
    suspicion_moved: Estimate | None = None
    map_before: Estimate
    map_after: Estimate | None = None
    area: Estimate


class MalignantCheck(_Result):
    """Where Grad-CAM lies on all malignant images of the part that were answered rightly.

    Attributes:
        images: Number of images.
        lesions: Number of their lesions.
        empty: Number of images where nothing spoke for the class.
        energy: Share of the map on the lesion's mask, by name of the dilation.
        area: Share of the picture that the mask covers.
        inside: Share of images with more than 80 % of the map on the mask, half a cell wider.
    """

    images: int
    lesions: int
    empty: int
    energy: dict[str, Estimate]
    area: dict[str, Estimate]
    inside: Estimate


class ModelCheck(_Result):
    """What was measured of one model.

    Attributes:
        run: Name of the run.
        bundle: Identity of the model.
        graph_sha256: Its graph.
        backbone: Its architecture.
        task: What it tells apart.
        dataset: Name of the dataset.
        part: Which part the images are from.
        area: Share of the picture that the masks cover, by name of the dilation.
        methods: One for each method.
        controls: The same measures of maps that know nothing.
        malignant: Correct malignant answers; None where there are none.
        artefacts: What lies beside the lesion.
    """

    run: str
    bundle: str
    graph_sha256: str
    backbone: str
    task: str
    dataset: str
    subset: str = "validation"
    area: dict[str, Estimate]
    methods: tuple[MethodCheck, ...] = ()
    controls: tuple[MethodCheck, ...] = ()
    malignant: MalignantCheck | None = None
    artefacts: tuple[ArtefactCheck, ...] = ()


def estimated(values: Sequence[float], lesions: Sequence[str]) -> Estimate:
    """Return the mean of the values that are not nan, and its interval by lesion."""
    kept = [(value, lesion) for value, lesion in zip(values, lesions, strict=True) if not np.isnan(value)]
    if not kept:
        return Estimate(value=None, low=None, high=None)
    found = np.array([value for value, _ in kept])
    weights = lesion_weights([lesion for _, lesion in kept], _RESAMPLES, _SEED)
    return Estimate.from_resamples(float(found.mean()), weighted_mean(found, weights))
