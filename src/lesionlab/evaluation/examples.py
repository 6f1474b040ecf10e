"""Which images a report shows: a draw that nobody chose, and the mistakes that the model was surest of."""

import base64
import hashlib
import io
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from PIL import Image

from lesionlab.errors import ImageError
from lesionlab.evaluation.results import EvaluatedSubset
from lesionlab.images import decode_image, read_image_bytes
from lesionlab.prediction import Predictor
from lesionlab.prediction.explanation.overlay import overlaid
from lesionlab.results import Explanation
from lesionlab.taxonomy import label_name

_SIDE = 160  # pixels
_QUALITY = 80
_CORRECT, _WRONG = 6, 4
_MISSED, _OTHER_MISTAKES = 6, 6


@dataclass(frozen=True, slots=True)
class Example:
    """One image of the evaluated part with its answer.

    Attributes:
        image_id: Its id.
        diagnosis: What it shows, in words.
        actual: The class of the task that holds this, in words.
        predicted: The class that was answered.
        probability: The probability of that class.
        actual_probability: The probability that the actual class got.
        missed: Whether it is one that is looked for (malignant, or a melanoma) and was called by another class.
        thumbnail: `data:` URI of a small JPEG, None where the image cannot be read.
        overlay: The same with the map of the answer over it; None for a model without maps.
        explained: The class that the map explains, in words; None without one.
    """

    image_id: str
    diagnosis: str
    actual: str
    predicted: str
    probability: float
    actual_probability: float
    missed: bool
    thumbnail: str | None
    overlay: str | None
    explained: str | None

    @property
    def correct(self) -> bool:
        """Whether the prediction was right."""
        return self.actual == self.predicted


def draw_samples(case: EvaluatedSubset) -> tuple[Example, ...]:
    """Return a few correct and a few wrong answers, drawn by the hash of the image id: always the same ones."""
    return tuple(_example(case, index) for index in _sample(case))


def worst_mistakes(case: EvaluatedSubset) -> tuple[Example, ...]:
    """Return the most confident wrong answers, one per lesion: the missed first, then the others."""
    return tuple(_example(case, index) for index in _mistakes(case))


def with_maps(case: EvaluatedSubset, predictor: Predictor) -> EvaluatedSubset:
    """Explain the answers that a report shows, right and wrong ones; nothing changes for a model without maps."""
    if not predictor.explainable:
        return case
    # A dataset that tells less than the model is asked a coarser question: then the model's own answer is explained.
    same = case.task.classes == predictor.info.classes
    maps: dict[int, Explanation] = {}
    for index in {*_sample(case), *_mistakes(case)}:
        code = case.task.classes[case.predicted[index]] if same else None
        with suppress(ImageError):  # it could be read a moment ago; a report survives it
            explanation = predictor.explain(case.locations[index], code).explanation
            if explanation is not None:  # an abstention has no map
                maps[index] = explanation
    return replace(case, maps=maps)


def _sample(case: EvaluatedSubset) -> list[int]:
    order = sorted(range(len(case.records)), key=lambda index: _hash(case.records[index].image_id))
    right = (case.predicted == case.labels).tolist()
    correct = _one_per_lesion(case, (i for i in order if right[i]), _CORRECT)
    wrong = _one_per_lesion(case, (i for i in order if not right[i]), _WRONG)
    return [*correct, *wrong]


def _mistakes(case: EvaluatedSubset) -> list[int]:
    confidence, predicted = case.confidence, case.predicted
    order = sorted(range(len(case.records)), key=lambda i: (-float(confidence[i]), case.records[i].image_id))
    mistakes = [index for index in order if predicted[index] != case.labels[index]]
    missed = {i for i in mistakes if case.sought[case.labels[i]] and not case.sought[predicted[i]]}
    first = _one_per_lesion(case, (i for i in mistakes if i in missed), _MISSED)
    then = _one_per_lesion(case, (i for i in mistakes if i not in missed), _OTHER_MISTAKES)
    return [*first, *then]


def _pictures(location: str, explanation: Explanation | None) -> tuple[str | None, str | None]:
    """Return an image, and the same under its map, as small JPEGs in `data:` URIs; None for what there is not."""
    try:
        image = decode_image(read_image_bytes(location), at_least=(_SIDE, _SIDE)).image
    except ImageError:  # which a report survives
        return None, None
    image.thumbnail((_SIDE, _SIDE))
    return _data_uri(image), None if explanation is None else _data_uri(overlaid(image, explanation.values))


def _data_uri(image: Image.Image) -> str:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def _one_per_lesion(case: EvaluatedSubset, indices: Iterable[int], count: int) -> list[int]:
    chosen: dict[str, int] = {}
    for index in indices:
        chosen.setdefault(case.records[index].lesion_id, index)
        if len(chosen) == count:
            break
    return list(chosen.values())


def _example(case: EvaluatedSubset, index: int) -> Example:
    actual, predicted = int(case.labels[index]), int(case.predicted[index])
    explanation = case.maps.get(index)
    thumbnail, overlay = _pictures(case.locations[index], explanation)
    return Example(
        image_id=case.records[index].image_id,
        diagnosis=label_name(case.records[index].diagnosis),
        actual=case.task.names[actual],
        predicted=case.task.names[predicted],
        probability=float(case.probabilities[index, predicted]),
        actual_probability=float(case.probabilities[index, actual]),
        missed=bool(case.sought[actual] and not case.sought[predicted]),
        thumbnail=thumbnail,
        overlay=overlay,
        explained=None if explanation is None else explanation.name,
    )


def _hash(image_id: str) -> str:
    return hashlib.sha256(image_id.encode()).hexdigest()
