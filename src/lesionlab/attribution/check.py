"""Measures of a model's explanations: localisation, faithfulness, randomisation, artefacts."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesionlab.attribution.artefacts import ARTEFACTS, corners, with_artefact
from lesionlab.attribution.controls import CONTROLS, uniform_map
from lesionlab.attribution.faithfulness import deletion_and_insertion
from lesionlab.attribution.localisation import CHOSEN, DILATIONS, Localisation, dilated, localise, positive
from lesionlab.attribution.methods import METHODS, Method
from lesionlab.attribution.randomisation import STAGES, randomised, similarity
from lesionlab.attribution.result import (
    ArtefactCheck,
    MalignantCheck,
    MethodCheck,
    ModelCheck,
    Similarity,
    mean_estimate,
)
from lesionlab.attribution.sample import MaskedImage, draw_sample, malignant_images, predict_masked
from lesionlab.attribution.trained import TrainedModel
from lesionlab.data import Manifest
from lesionlab.data.masks import MaskFolder
from lesionlab.metrics import Estimate
from lesionlab.results import Prediction
from lesionlab.runs import RunFolder
from lesionlab.taxonomy import TASKS, Task

_Map = NDArray[np.float32]
_OTHER_IMAGE = "other image"
_SEEDS = 3  # randomised networks; the images alternate among them
_INSIDE = 0.8


@dataclass(frozen=True)
class SampleSizes:
    """Numbers of images.

    Attributes:
        images: For methods that need one pass of the network, and for artefacts.
        slow_images: For methods that need hundreds of passes.
        curves: Maximum for deletion and insertion, which need dozens of passes.
        randomised: For the randomisation check of fast methods.
        slow_randomised: For the randomisation check of slow methods.
    """

    images: int = 60
    slow_images: int = 12
    curves: int = 24
    randomised: int = 24
    slow_randomised: int = 4

    @classmethod
    def of_images(cls, images: int) -> "SampleSizes":
        """Return sizes in proportion to the number of images for fast methods."""
        quarter, half, twelfth = (max(2, images // parts) for parts in (4, 2, 12))
        return cls(images, quarter, half, half, twelfth)

    def of(self, method: Method) -> tuple[int, int]:
        """Return the number of images of a method, and of its randomisation check."""
        return (self.slow_images, self.slow_randomised) if method.slow else (self.images, self.randomised)


def validation_images(run: RunFolder, data_root: Path | None = None) -> Manifest:
    """Return the validation images of a run's own split.

    Args:
        run: The run.
        data_root: Folder of the images, if it has moved.
    """
    return run.manifest(data_root).select(run.split().subsets(run.record().fold)["validation"])


def check_model(
    model: TrainedModel,
    images: Manifest,
    masks: MaskFolder,
    *,
    sizes: SampleSizes,
    subset: str = "validation",
    methods: Sequence[Method] = tuple(METHODS.values()),
    progress: Callable[[ModelCheck, str], None] | None = None,
) -> ModelCheck:
    """Measure the explanations of a model.

    Args:
        model: The model.
        images: Images that it was not trained on: `validation_images` of a run, or unseen images of a dataset.
        masks: Masks of their lesions.
        sizes: Numbers of images.
        subset: Name of the subset of `images`.
        methods: The methods to measure.
        progress: Called with the partial result and the name of the last measure.

    Raises:
        DataError: No image has a mask.
        ImageError: An image cannot be read.
    """
    sample = list(predict_masked(model, images, masks, draw_sample(images, masks)[: sizes.images]))
    info = model.predictor.info
    result = ModelCheck(
        run=model.recipe.name,
        bundle=info.identity,
        graph_sha256=info.graph_sha256,
        backbone=model.recipe.model.backbone,
        task=info.task,
        dataset=", ".join(sorted({record.dataset for record in images})) or "unknown",
        subset=subset,
        area={
            name: mean_estimate([float(dilated(one.mask, share).mean()) for one in sample], _lesions(sample))
            for name, share in DILATIONS.items()
        },
        controls=tuple(_check_control(model, name, sample, sizes) for name in CONTROLS),
    )
    report = progress or (lambda _result, _measured: None)
    for method in methods:
        result = result.model_copy(update={"methods": (*result.methods, _check_method(model, method, sample, sizes))})
        report(result, method.title)
    malignant = _check_malignant(model, malignant_images(model, images, masks))
    result = result.model_copy(update={"malignant": malignant})
    report(result, "correct malignant predictions")
    artefacts = (*(_check_artefact(model, name, sample) for name in ARTEFACTS), _check_corners(model, sample))
    result = result.model_copy(update={"artefacts": artefacts})
    report(result, "artefacts")
    return result


def _check_method(
    model: TrainedModel, method: Method, sample: Sequence[MaskedImage], sizes: SampleSizes
) -> MethodCheck:
    images, n_randomised = sizes.of(method)
    sample = sample[:images]
    maps = [method.attribute(model.network, one.pixels, one.index) for one in sample]
    measured = _measure_maps(model, method.name, method.title, sample, maps, sizes.curves)
    sample, maps = sample[:n_randomised], maps[:n_randomised]
    others = [similarity(one, other) for one, other in zip(maps, maps[1:] + maps[:1], strict=True)]
    by_stage: dict[str, list[tuple[float, float]]] = {stage: [] for stage in STAGES}
    lesions = []
    for seed in range(_SEEDS):
        turn = range(seed, len(sample), _SEEDS)
        lesions += [sample[i].record.lesion_id for i in turn]
        for stage, network in randomised(model.network, seed):
            for i in turn:
                of_random = method.attribute(network, sample[i].pixels, sample[i].index)
                by_stage[stage].append(similarity(maps[i], of_random))
    similarities = {stage: _mean_similarity(found, lesions) for stage, found in by_stage.items()}
    similarities[_OTHER_IMAGE] = _mean_similarity(others, _lesions(sample))
    return measured.model_copy(update={"randomised_images": len(sample), "randomised": similarities})


def _mean_similarity(found: Sequence[tuple[float, float]], lesions: Sequence[str]) -> Similarity:
    return Similarity(
        rank=mean_estimate([rank for rank, _ in found], lesions, lowest=-1.0),
        ssim=mean_estimate([ssim for _, ssim in found], lesions, lowest=-1.0),
        absolute_rank=mean_estimate([abs(rank) for rank, _ in found], lesions),
    )


def _check_control(model: TrainedModel, name: str, sample: Sequence[MaskedImage], sizes: SampleSizes) -> MethodCheck:
    control = CONTROLS[name]
    maps = [control.map_of(one.record.image_id, model.network, one.pixels) for one in sample]
    return _measure_maps(model, name, control.title, sample, maps, sizes.curves)


def _measure_maps(
    model: TrainedModel, name: str, title: str, sample: Sequence[MaskedImage], maps: Sequence[_Map], n_curves: int
) -> MethodCheck:
    lesions = _lesions(sample)
    located = [localise(values, one.mask) for one, values in zip(sample, maps, strict=True)]
    curves = [
        deletion_and_insertion(model.network, one.pixels, one.index, values)
        for one, values in zip(sample[:n_curves], maps, strict=False)
    ]
    return MethodCheck(
        method=name,
        title=title,
        images=len(sample),
        lesions=len(set(lesions)),
        empty=_empty(located),
        energy=_energy(located, lesions),
        pointing=mean_estimate([one.pointing for one in located], lesions),
        curve_images=len(curves),
        deletion=mean_estimate([deletion for deletion, _ in curves], lesions[: len(curves)]),
        insertion=mean_estimate([insertion for _, insertion in curves], lesions[: len(curves)]),
    )


def _check_malignant(model: TrainedModel, images: Iterable[MaskedImage]) -> MalignantCheck | None:
    lesions, located, uniform = [], [], []
    for one in images:
        if one.correct:
            lesions.append(one.record.lesion_id)
            located.append(localise(_grad_cam(model, one.pixels, one.index), one.mask))
            uniform.append(localise(uniform_map(model.network, one.pixels), one.mask))
    if not located:
        return None
    inside = [np.nan if np.isnan(one.energy[CHOSEN]) else float(one.energy[CHOSEN] > _INSIDE) for one in located]
    return MalignantCheck(
        images=len(located),
        lesions=len(set(lesions)),
        empty=_empty(located),
        energy=_energy(located, lesions),
        area={name: mean_estimate([one.area[name] for one in located], lesions) for name in DILATIONS},
        uniform=_energy(uniform, lesions),
        inside=mean_estimate(inside, lesions),
    )


@dataclass(frozen=True)
class _ArtefactEffect:
    """Effect on one image; the fields are those of `ArtefactCheck`, nan where undefined."""

    predictions_changed: float
    became_malignant: float
    probability_change: float
    map_before: float
    map_after: float
    area: float


def _check_artefact(model: TrainedModel, artefact: str, sample: Sequence[MaskedImage]) -> ArtefactCheck:
    effects = [_artefact_effect(model, artefact, one, seed) for seed, one in enumerate(sample)]
    lesions = _lesions(sample)
    estimates = {
        name: mean_estimate([getattr(effect, name) for effect in effects], lesions)
        for name in _ArtefactEffect.__dataclass_fields__
    }
    return ArtefactCheck(artefact=artefact, images=len(sample), **estimates)


def _artefact_effect(model: TrainedModel, artefact: str, one: MaskedImage, seed: int) -> _ArtefactEffect:
    task = TASKS[model.predictor.info.task]
    pixels, drawn = with_artefact(one.pixels, artefact, one.mask, seed)
    place = dilated(drawn, DILATIONS[CHOSEN]) & ~dilated(one.mask, DILATIONS[CHOSEN])
    prepared = model.predictor.pipeline.prepare(pixels)
    (changed,) = model.predictor.pipeline.predict([prepared])
    before, after = one.prediction.most_probable, changed.most_probable
    return _ArtefactEffect(
        predictions_changed=float(before != after),
        became_malignant=np.nan if before in task.malignant else float(after in task.malignant),
        probability_change=abs(_malignant_probability(changed, task) - _malignant_probability(one.prediction, task)),
        map_before=_share(_grad_cam(model, one.pixels, one.index), place),
        map_after=_share(_grad_cam(model, prepared.pixels, one.index), place),
        area=float(place.mean()),
    )


def _check_corners(model: TrainedModel, sample: Sequence[MaskedImage]) -> ArtefactCheck:
    """Measure the share of the map in the image corners, without a drawn artefact."""
    places = [corners(dilated(one.mask, DILATIONS[CHOSEN])) for one in sample]
    shares = [_share(_grad_cam(model, one.pixels, one.index), place) for one, place in zip(sample, places, strict=True)]
    return ArtefactCheck(
        artefact="corners",
        images=len(sample),
        map_before=mean_estimate(shares, _lesions(sample)),
        area=mean_estimate([float(place.mean()) for place in places], _lesions(sample)),
    )


def _grad_cam(model: TrainedModel, pixels: NDArray[np.uint8], index: int) -> _Map:
    return METHODS["grad-cam"].attribute(model.network, pixels, index)


def _malignant_probability(prediction: Prediction, task: Task) -> float:
    return sum(prediction.probabilities[code] for code in task.malignant)


def _share(values: _Map, place: NDArray[np.bool_]) -> float:
    heat = positive(values, len(place)).astype(np.float64)
    return float(heat[place].sum() / heat.sum()) if heat.any() else float("nan")


def _energy(located: Sequence[Localisation], lesions: Sequence[str]) -> dict[str, Estimate]:
    return {name: mean_estimate([one.energy[name] for one in located], lesions) for name in DILATIONS}


def _empty(located: Sequence[Localisation]) -> int:
    return sum(bool(np.isnan(one.pointing)) for one in located)


def _lesions(sample: Sequence[MaskedImage]) -> list[str]:
    return [one.record.lesion_id for one in sample]
