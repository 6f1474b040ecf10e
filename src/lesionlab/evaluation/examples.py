"""The example images of a report: a sample in the order of a hash, and the most confident mistakes."""

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from lesionlab.errors import ImageError
from lesionlab.evaluation.results import EvaluatedSubset
from lesionlab.pages import data_uri, thumbnail
from lesionlab.prediction import Predictor
from lesionlab.prediction.explanation.overlay import overlaid
from lesionlab.results import Explanation
from lesionlab.taxonomy import label_name

_SIDE = 160  # pixels
_CORRECT, _WRONG = 6, 4
_MISSED, _OTHER_MISTAKES = 6, 6


@dataclass(frozen=True, slots=True)
class Example:
    """One image of the evaluated subset with its prediction.

    Attributes:
        image_id: Identifier of the image.
        diagnosis: Label of the dataset in words.
        actual: True class of the task in words.
        predicted: Predicted class in words.
        probability: Probability of the predicted class.
        actual_probability: Probability of the true class.
        missed: Whether the true class belongs to the target and the predicted class does not.
        headline: The prediction in one line, as on every other surface; None for an evaluation read from files.
        thumbnail: `data:` URI of a small JPEG; None if the image cannot be read.
        overlay: The same with the explanation drawn over it; None for an abstention or a model without maps.
        explained: Name of the explained class; None without an explanation.
    """

    image_id: str
    diagnosis: str
    actual: str
    predicted: str
    probability: float
    actual_probability: float
    missed: bool
    headline: str | None
    thumbnail: str | None
    overlay: str | None
    explained: str | None

    @property
    def correct(self) -> bool:
        """Whether the predicted class is the true one."""
        return self.actual == self.predicted


def draw_samples(evaluated: EvaluatedSubset) -> tuple[Example, ...]:
    """Return a few correct and a few wrong predictions in the order of the hash of the image id."""
    return tuple(_example(evaluated, index) for index in _sample(evaluated))


def worst_mistakes(evaluated: EvaluatedSubset) -> tuple[Example, ...]:
    """Return the most confident wrong predictions, one per lesion: missed targets first, then the others."""
    return tuple(_example(evaluated, index) for index in _mistakes(evaluated))


def with_maps(evaluated: EvaluatedSubset, predictor: Predictor) -> EvaluatedSubset:
    """Add explanations of the example images, except for abstentions and models without a class activation map."""
    if not predictor.explainable:
        return evaluated
    maps: dict[int, Explanation] = {}
    for index in {*_sample(evaluated), *_mistakes(evaluated)}:
        with suppress(ImageError):  # the image has become unreadable
            explanation = predictor.explain(evaluated.locations[index]).explanation
            if explanation is not None:
                maps[index] = explanation
    return replace(evaluated, maps=maps)


def _sample(evaluated: EvaluatedSubset) -> list[int]:
    order = sorted(range(len(evaluated.records)), key=lambda index: _hash(evaluated.records[index].image_id))
    is_correct = (evaluated.predicted == evaluated.labels).tolist()
    correct = _one_per_lesion(evaluated, (i for i in order if is_correct[i]), _CORRECT)
    wrong = _one_per_lesion(evaluated, (i for i in order if not is_correct[i]), _WRONG)
    return [*correct, *wrong]


def _mistakes(evaluated: EvaluatedSubset) -> list[int]:
    confidence, predicted, labels = evaluated.confidence, evaluated.predicted, evaluated.labels
    order = sorted(range(len(labels)), key=lambda i: (-float(confidence[i]), evaluated.records[i].image_id))
    mistakes = [index for index in order if predicted[index] != labels[index]]
    is_target = evaluated.is_target
    missed = {i for i in mistakes if is_target[labels[i]] and not is_target[predicted[i]]}
    first = _one_per_lesion(evaluated, (i for i in mistakes if i in missed), _MISSED)
    then = _one_per_lesion(evaluated, (i for i in mistakes if i not in missed), _OTHER_MISTAKES)
    return [*first, *then]


def _thumbnails(location: str, explanation: Explanation | None) -> tuple[str | None, str | None]:
    """Return the image and its overlay as `data:` URIs; None for an unreadable image or without explanation."""
    image = thumbnail(location, _SIDE)
    if image is None:
        return None, None
    return data_uri(image), None if explanation is None else data_uri(overlaid(image, explanation.values))


def _one_per_lesion(evaluated: EvaluatedSubset, indices: Iterable[int], count: int) -> list[int]:
    chosen: dict[str, int] = {}
    for index in indices:
        chosen.setdefault(evaluated.records[index].lesion_id, index)
        if len(chosen) == count:
            break
    return list(chosen.values())


def _example(evaluated: EvaluatedSubset, index: int) -> Example:
    actual, predicted = int(evaluated.labels[index]), int(evaluated.predicted[index])
    explanation = evaluated.maps.get(index)
    thumbnail, overlay = _thumbnails(evaluated.locations[index], explanation)
    return Example(
        image_id=evaluated.records[index].image_id,
        diagnosis=label_name(evaluated.records[index].diagnosis),
        actual=evaluated.task.names[actual],
        predicted=evaluated.task.names[predicted],
        probability=float(evaluated.probabilities[index, predicted]),
        actual_probability=float(evaluated.probabilities[index, actual]),
        missed=bool(evaluated.is_target[actual] and not evaluated.is_target[predicted]),
        headline=evaluated.predictions[index].headline if evaluated.predictions else None,
        thumbnail=thumbnail,
        overlay=overlay,
        explained=None if explanation is None else explanation.name,
    )


def _hash(image_id: str) -> str:
    return hashlib.sha256(image_id.encode()).hexdigest()
