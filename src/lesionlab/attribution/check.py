"""Whether the explanations of a run are right: all measures, of all methods, on its validation part."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesionlab.attribution.artefacts import ARTEFACTS, corners, with_artefact
from lesionlab.attribution.controls import CONTROLS
from lesionlab.attribution.faithfulness import deletion_and_insertion
from lesionlab.attribution.localisation import CHOSEN, DILATIONS, Localised, dilated, localise, positive
from lesionlab.attribution.methods import METHODS, Method
from lesionlab.attribution.randomisation import STAGES, randomised, similarity
from lesionlab.attribution.result import (
    ArtefactCheck,
    MalignantCheck,
    MethodCheck,
    ModelCheck,
    Similarity,
    estimated,
)
from lesionlab.attribution.sample import Case, cases, drawn, malignant_cases
from lesionlab.attribution.trained import TrainedModel, open_trained
from lesionlab.data.masks import MaskFolder
from lesionlab.metrics import Estimate
from lesionlab.results import Prediction
from lesionlab.runs import RunFolder
from lesionlab.taxonomy import TASKS, Task

_Map = NDArray[np.float32]
_OTHER = "other image"
_DRAWS = 3  # networks at random: images take turns among them
_MUCH = 0.8


@dataclass(frozen=True)
class Plan:
    """How many images are measured.

    Attributes:
        images: For methods that take one pass of the network, and for artefacts.
        slow_images: For those that take hundreds.
        curves: For deletion and insertion, which take dozens, at most.
        randomised: For the randomisation check of the former.
        slow_randomised: And of the latter.
    """

    images: int = 60
    slow_images: int = 12
    curves: int = 24
    randomised: int = 24
    slow_randomised: int = 4

    @classmethod
    def of_images(cls, images: int) -> "Plan":
        """Return a plan in proportion to the number of images for the quick methods."""
        quarter, half, few = (max(2, images // parts) for parts in (4, 2, 12))
        return cls(images, quarter, half, half, few)

    def of(self, method: Method) -> tuple[int, int]:
        """Return the number of images of a method, and of those for its randomisation check."""
        return (self.slow_images, self.slow_randomised) if method.slow else (self.images, self.randomised)


def check_run(
    run: RunFolder,
    masks: MaskFolder,
    *,
    plan: Plan,
    methods: Sequence[Method] = tuple(METHODS.values()),
    data_root: Path | None = None,
    partly: Callable[[ModelCheck, str], None] | None = None,
) -> ModelCheck:
    """Measure the explanations of a run on the validation part of its own split.

    Args:
        run: A finished and exported run.
        masks: Masks of the dataset's lesions.
        plan: How many images.
        methods: What is measured.
        data_root: Where the images are now, if they have moved.
        partly: Called with what is known so far, and what was measured last.

    Raises:
        DataError: The run cannot be opened, or no image has a mask.
        ImageError: An image cannot be read.
    """
    model = open_trained(run)
    record = run.record()
    manifest = run.manifest(data_root)
    part = manifest.select(run.split().parts(record.fold)["validation"])
    chosen = drawn(part, masks)[: plan.images]
    sample = list(cases(model, part, masks, chosen))
    info = model.predictor.info
    result = ModelCheck(
        run=run.recipe().name,
        bundle=info.identity,
        graph_sha256=info.graph_sha256,
        backbone=run.recipe().model.backbone,
        task=info.task,
        dataset=", ".join(info.training_data.sources) or "unknown",
        area={
            name: estimated([float(dilated(c.mask, share).mean()) for c in sample], _lesions(sample))
            for name, share in DILATIONS.items()
        },
        controls=tuple(_check_control(model, name, sample, plan) for name in CONTROLS),
    )
    say = partly or (lambda _result, _what: None)
    for method in methods:
        result = result.model_copy(update={"methods": (*result.methods, _check_method(model, method, sample, plan))})
        say(result, method.title)
    found = _check_malignant(model, malignant_cases(model, part, masks))
    result = result.model_copy(update={"malignant": found})
    say(result, "correct malignant answers")
    for artefact in (*ARTEFACTS, "corners"):
        found_of = _check_artefact(model, artefact, sample)
        result = result.model_copy(update={"artefacts": (*result.artefacts, found_of)})
    say(result, "artefacts")
    return result


def _check_method(model: TrainedModel, method: Method, sample: Sequence[Case], plan: Plan) -> MethodCheck:
    images, others = plan.of(method)
    sample = sample[:images]
    maps = [method.attribute(model.network, case.pixels, case.index) for case in sample]
    measured = _measured(model, method.name, method.title, sample, maps, plan.curves)
    found: dict[str, tuple[list[float], list[float]]] = {stage: ([], []) for stage in (*STAGES, _OTHER)}
    sample, maps = sample[:others], maps[:others]
    for one, other in zip(maps, maps[1:] + maps[:1], strict=True):
        _note(found[_OTHER], similarity(one, other))
    lesions = []
    for draw in range(_DRAWS):
        turn = range(draw, len(sample), _DRAWS)
        lesions += [sample[i].record.lesion_id for i in turn]
        for stage, network in randomised(model.network, draw):
            for i in turn:
                of_random = method.attribute(network, sample[i].pixels, sample[i].index)
                _note(found[stage], similarity(maps[i], of_random))
    lesions_of = dict.fromkeys(STAGES, lesions) | {_OTHER: _lesions(sample)}
    return measured.model_copy(
        update={
            "randomised_images": len(sample),
            "randomised": {
                stage: Similarity(rank=estimated(rank, lesions_of[stage]), ssim=estimated(ssim, lesions_of[stage]))
                for stage, (rank, ssim) in found.items()
            },
        }
    )


def _check_control(model: TrainedModel, name: str, sample: Sequence[Case], plan: Plan) -> MethodCheck:
    control = CONTROLS[name]
    maps = [control.map_of(case.record.image_id) for case in sample]
    return _measured(model, name, control.title, sample, maps, plan.curves)


def _measured(
    model: TrainedModel, name: str, title: str, sample: Sequence[Case], maps: Sequence[_Map], drawn_curves: int
) -> MethodCheck:
    lesions = _lesions(sample)
    located = [localise(values, case.mask) for case, values in zip(sample, maps, strict=True)]
    curves = [
        deletion_and_insertion(model.network, case.pixels, case.index, values)
        for case, values in zip(sample[:drawn_curves], maps, strict=False)
    ]
    return MethodCheck(
        method=name,
        title=title,
        images=len(sample),
        lesions=len(set(lesions)),
        empty=_empty(located),
        energy=_energy(located, lesions),
        pointing=estimated([one.pointing for one in located], lesions),
        curve_images=len(curves),
        deletion=estimated([deletion for deletion, _ in curves], lesions[: len(curves)]),
        insertion=estimated([insertion for _, insertion in curves], lesions[: len(curves)]),
    )


def _check_malignant(model: TrainedModel, found: Iterable[Case]) -> MalignantCheck | None:
    lesions, located = [], []
    grad_cam = METHODS["grad-cam"]
    for case in found:
        if case.correct:
            lesions.append(case.record.lesion_id)
            located.append(localise(grad_cam.attribute(model.network, case.pixels, case.index), case.mask))
    if not located:
        return None
    return MalignantCheck(
        images=len(located),
        lesions=len(set(lesions)),
        empty=_empty(located),
        energy=_energy(located, lesions),
        area={name: estimated([one.area[name] for one in located], lesions) for name in DILATIONS},
        inside=estimated(
            [np.nan if np.isnan(one.energy[CHOSEN]) else float(one.energy[CHOSEN] > _MUCH) for one in located], lesions
        ),
    )


def _check_artefact(model: TrainedModel, artefact: str, sample: Sequence[Case]) -> ArtefactCheck:
    """Put an artefact beside each lesion, or look at the corners as they are."""
    lesions, task = _lesions(sample), TASKS[model.predictor.info.task]
    grad_cam = METHODS["grad-cam"]
    # By image: share of the map there, before and after; area; whether the answer changed, and to malignant; how far.
    rows: list[tuple[float, ...]] = []
    for number, case in enumerate(sample):
        reach = dilated(case.mask, DILATIONS[CHOSEN])
        before = grad_cam.attribute(model.network, case.pixels, case.index)
        if artefact == "corners":
            place = corners(reach)
            rows.append((_share(before, place), np.nan, float(place.mean()), np.nan, np.nan, np.nan))
            continue
        pixels, where = with_artefact(case.pixels, artefact, case.mask, number)
        place = dilated(where, DILATIONS[CHOSEN]) & ~reach
        prepared = model.predictor.pipeline.prepare(pixels)
        (answer,) = model.predictor.pipeline.predict([prepared])
        after = grad_cam.attribute(model.network, prepared.pixels, case.index)
        was, now = case.prediction.most_probable, answer.most_probable
        to_malignant = np.nan if was in task.malignant else float(now in task.malignant)
        moved = abs(_sought(answer, task) - _sought(case.prediction, task))
        shares = _share(before, place), _share(after, place), float(place.mean())
        rows.append((*shares, float(was != now), to_malignant, moved))
    before_, after_, area, changed, malignant, moved_ = (
        estimated(column, lesions) for column in zip(*rows, strict=True)
    )
    if artefact == "corners":
        return ArtefactCheck(artefact=artefact, images=len(sample), map_before=before_, area=area)
    return ArtefactCheck(
        artefact=artefact,
        images=len(sample),
        answers_changed=changed,
        called_malignant=malignant,
        suspicion_moved=moved_,
        map_before=before_,
        map_after=after_,
        area=area,
    )


def _sought(answer: Prediction, task: Task) -> float:
    """Return the probability of what is looked for: malignancy, or melanoma."""
    return sum(answer.probabilities[code] for code in task.malignant)


def _share(values: _Map, place: NDArray[np.bool_]) -> float:
    heat = positive(values, len(place)).astype(np.float64)
    return float(heat[place].sum() / heat.sum()) if heat.any() else float("nan")


def _energy(located: Sequence[Localised], lesions: Sequence[str]) -> dict[str, Estimate]:
    return {name: estimated([one.energy[name] for one in located], lesions) for name in DILATIONS}


def _empty(located: Sequence[Localised]) -> int:
    return sum(bool(np.isnan(one.pointing)) for one in located)


def _lesions(sample: Sequence[Case]) -> list[str]:
    return [case.record.lesion_id for case in sample]


def _note(found: tuple[list[float], list[float]], alike: tuple[float, float]) -> None:
    for column, value in zip(found, alike, strict=True):
        column.append(value)
