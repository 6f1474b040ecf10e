"""Measures of a model's explanations, as they are written to attribution.json."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from lesionlab.base_models import StrictModel
from lesionlab.metrics import Estimate, exact_interval, lesion_weights
from lesionlab.metrics.arrays import weighted_mean

_RESAMPLES, _SEED = 1000, 0
# An absolute rank correlation above it means that the maps of the trained and the randomised network are similar.
SIMILAR = 0.5


class Similarity(StrictModel):
    """Similarity of the trained network's maps to other maps, 1 for equal maps.

    Attributes:
        rank: Spearman's rank correlation.
        ssim: Structural similarity of the displayed maps.
        absolute_rank: Mean absolute rank correlation; None in earlier files.
    """

    rank: Estimate
    ssim: Estimate
    absolute_rank: Estimate | None = None

    @property
    def independent(self) -> bool:
        """Whether the absolute rank correlation is below `SIMILAR`; without it, whether the interval of `rank` is.

        The check is two-sided: the negative of a map shows the same places.
        """
        known = self.absolute_rank
        limits = [self.rank.low, self.rank.high] if known is None else [known.high]
        return all(limit is not None and abs(limit) < SIMILAR for limit in limits)


class MethodCheck(StrictModel):
    """Measures of one method, or of a control.

    Attributes:
        method: Its name.
        title: Displayed name.
        images: Number of images.
        lesions: Number of lesions.
        empty: Number of maps without evidence for the class; they are left out of `energy` and `pointing`.
        energy: Share of the map on the lesion mask, by name of the dilation.
        pointing: Share of maps whose peak lies on the mask, dilated by half a cell.
        curve_images: Number of images of the two curves.
        deletion: Area under the probability curve as the strongest pixels are removed first.
        insertion: Area under the probability curve as the strongest pixels are inserted first.
        randomised_images: Number of images of the randomisation check.
        randomised: Similarity by randomised part of the network; `other image`: to maps of another image.
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
    randomised: dict[str, Similarity] = Field(default={})

    @property
    def passes_randomisation(self) -> bool | None:
        """Whether the maps of a fully randomised network differ from the trained one's; None if not measured."""
        if "all" not in self.randomised:
            return None
        return self.randomised["all"].independent


class ArtefactCheck(StrictModel):
    """Effect of an artefact beside the lesion.

    Attributes:
        artefact: The artefact; `corners` are the image corners without a drawn artefact.
        images: Number of images.
        predictions_changed: Share of images whose most probable class changes.
        became_malignant: Share of benign predictions that become malignant; None without benign predictions.
        probability_change: Mean absolute change of the target probability.
        map_before: Share of the map in the artefact's place, dilated by half a cell, without the artefact.
        map_after: The same with the artefact.
        area: Share of the image that the place covers.
    """

    artefact: str
    images: int
    predictions_changed: Estimate | None = None
    became_malignant: Estimate | None = None
    probability_change: Estimate | None = None
    map_before: Estimate
    map_after: Estimate | None = None
    area: Estimate


class MalignantCheck(StrictModel):
    """Grad-CAM on all correctly classified malignant images of the subset.

    Attributes:
        images: Number of images.
        lesions: Number of lesions.
        empty: Number of maps without evidence for the class.
        energy: Share of the map on the lesion mask, by name of the dilation.
        area: Share of the image that the mask covers, by name of the dilation.
        uniform: Energy of a constant map of the network's crop, by name of the dilation; empty in earlier files.
        inside: Share of images with more than 80% of the map on the mask, dilated by half a cell.
    """

    images: int
    lesions: int
    empty: int
    energy: dict[str, Estimate]
    area: dict[str, Estimate]
    uniform: dict[str, Estimate] = Field(default={})
    inside: Estimate


class ModelCheck(StrictModel):
    """Measures of one model's explanations.

    Attributes:
        run: Name of the run.
        bundle: Name and hash of the model.
        graph_sha256: Hash of its graph.
        backbone: Its architecture.
        task: Its task.
        dataset: Name of the dataset.
        subset: Subset of the split.
        area: Share of the image that the masks cover, by name of the dilation.
        methods: One entry per method.
        controls: The same measures of the control maps.
        malignant: Correctly classified malignant images; None without any.
        artefacts: One entry per artefact.
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


def mean_estimate(values: Sequence[float], lesions: Sequence[str], *, lowest: float = 0.0) -> Estimate:
    """Return the mean of the values that are not nan, between `lowest` and 1, with its interval by lesion."""
    kept = [(value, lesion) for value, lesion in zip(values, lesions, strict=True) if not np.isnan(value)]
    if not kept:
        return Estimate(value=None, low=None, high=None)
    defined = np.array([value for value, _ in kept])
    of_values = [lesion for _, lesion in kept]
    mean, drawn = float(defined.mean()), weighted_mean(defined, lesion_weights(of_values, _RESAMPLES, _SEED))
    return Estimate.from_resamples(mean, drawn, exact_interval(mean, len(set(of_values)), lowest=lowest))
