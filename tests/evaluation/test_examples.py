"""Example images: reproducible sample, most confident mistakes, one image per lesion."""

import base64
import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image

from lesionlab.evaluation.examples import draw_samples, worst_mistakes
from lesionlab.evaluation.results import EvaluatedSubset
from lesionlab.results import Explanation
from lesionlab.taxonomy import BY_CODE, TASKS

MakeSubset = Callable[..., EvaluatedSubset]


def test_samples_do_not_depend_on_the_order_of_the_images(make_subset: MakeSubset) -> None:
    # One image per lesion: otherwise the first image of each lesion is chosen.
    evaluated = make_subset(np.arange(60) % 7)
    evaluated = replace(evaluated, records=tuple(replace(r, lesion_id=r.image_id) for r in evaluated.records))
    reversed_order = EvaluatedSubset(
        evaluated.records[::-1],
        evaluated.labels[::-1],
        evaluated.probabilities[::-1],
        evaluated.locations[::-1],
        evaluated.predicted[::-1],
        evaluated.summary,
    )
    samples = draw_samples(evaluated)
    assert [e.image_id for e in samples] == [e.image_id for e in draw_samples(reversed_order)]
    assert [e.correct for e in samples] == [True] * 6 + [False] * 4


def test_missed_malignancies_come_first_in_order_of_confidence(make_subset: MakeSubset) -> None:
    evaluated = make_subset(np.arange(140) % 7, skill=0.0)
    mistakes = worst_mistakes(evaluated)
    missed = [e for e in mistakes if e.missed]
    assert 0 < len(missed) < len(mistakes)
    assert mistakes[: len(missed)] == tuple(missed)
    others = mistakes[len(missed) :]
    for group in (missed, others):
        confidences = [e.probability for e in group]
        assert confidences == sorted(confidences, reverse=True)
    malignant = np.array([BY_CODE[r.diagnosis].malignant for r in evaluated.records])
    predicted_benign = ~np.isin(evaluated.predicted, [0, 2, 3])
    assert missed[0].probability == evaluated.confidence[malignant & predicted_benign].max()


def test_mistakes_show_each_lesion_once(make_subset: MakeSubset) -> None:
    evaluated = make_subset([0] * 8, skill=-9.0)
    lesion_of = {record.image_id: record.lesion_id for record in evaluated.records}
    lesions = [lesion_of[e.image_id] for e in worst_mistakes(evaluated) if e.missed]
    assert len(lesions) == len(set(lesions)) > 0


def test_thumbnail_is_a_small_jpeg(make_subset: MakeSubset) -> None:
    evaluated = make_subset([1])
    Image.new("RGB", (900, 600), "red").save(evaluated.locations[0])
    thumbnail = (*draw_samples(evaluated), *worst_mistakes(evaluated))[0].thumbnail
    assert thumbnail is not None
    kind, _, data = thumbnail.partition(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.format == "JPEG"
        assert max(image.size) == 160
        assert image.width * 2 == image.height * 3 or abs(image.height - 107) <= 1


def test_map_is_drawn_over_its_image(make_subset: MakeSubset) -> None:
    evaluated = make_subset([1, 1, 1])
    assert {e.overlay for e in draw_samples(evaluated)} == {None}
    Image.new("RGB", (80, 60), (90, 90, 90)).save(evaluated.locations[0])
    corner = np.zeros((4, 4), np.float32)
    corner[0, 0] = 1
    explanation = Explanation(code="nv", name="Melanocytic nevus", method="class activation map", values=corner)
    mapped = replace(evaluated, maps={0: explanation})
    first, *others = sorted((*draw_samples(mapped), *worst_mistakes(mapped)), key=lambda e: e.image_id)
    assert (first.image_id, first.explained) == ("ISIC_0000000", "Melanocytic nevus")
    assert first.overlay is not None
    with Image.open(io.BytesIO(base64.b64decode(first.overlay.partition(",")[2]))) as image:
        red, green, blue = np.asarray(image).astype(int)[2, 2]
        assert blue < 80
        assert min(red, green) > 150
        assert abs(np.asarray(image).astype(int)[50, 70] - 90).max() < 8
    assert {e.overlay for e in others if e.image_id != first.image_id} == {None}


def test_mistakes_of_a_binary_task(make_subset: MakeSubset) -> None:
    evaluated = make_subset(np.arange(140) % 7, skill=0.0, task=TASKS["melanoma"])
    mistakes = worst_mistakes(evaluated)
    missed = [e for e in mistakes if e.missed]
    assert 0 < len(missed) < len(mistakes)
    assert mistakes[: len(missed)] == tuple(missed)
    assert {(e.diagnosis, e.actual, e.predicted) for e in missed} == {("Melanoma", "Melanoma", "Not melanoma")}
    alarms = mistakes[len(missed) :]
    assert {(e.actual, e.predicted) for e in alarms} == {("Not melanoma", "Melanoma")}
    assert "Melanoma" not in {e.diagnosis for e in alarms}
