"""Which images are shown: the same draw each time, the surest mistakes, one image per lesion."""

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

MakeCase = Callable[..., EvaluatedSubset]


def test_samples_do_not_depend_on_the_order_of_the_images(make_case: MakeCase) -> None:
    # Every image is a lesion of its own, so that the order cannot choose among images of one.
    case = make_case(np.arange(60) % 7)
    case = replace(case, records=tuple(replace(r, lesion_id=r.image_id) for r in case.records))
    turned = EvaluatedSubset(
        case.records[::-1],
        case.labels[::-1],
        case.probabilities[::-1],
        case.locations[::-1],
        case.predicted[::-1],
        case.summary,
    )
    samples = draw_samples(case)
    assert [e.image_id for e in samples] == [e.image_id for e in draw_samples(turned)]
    assert [e.correct for e in samples] == [True] * 6 + [False] * 4


def test_missed_malignancies_come_first_and_each_group_falls_in_confidence(make_case: MakeCase) -> None:
    case = make_case(np.arange(140) % 7, skill=0.0)
    mistakes = worst_mistakes(case)
    missed = [e for e in mistakes if e.missed]
    assert 0 < len(missed) < len(mistakes)
    assert mistakes[: len(missed)] == tuple(missed)
    others = mistakes[len(missed) :]
    for group in (missed, others):
        chances = [e.probability for e in group]
        assert chances == sorted(chances, reverse=True)
    malignant = np.array([BY_CODE[r.diagnosis].malignant for r in case.records])
    benign_answer = ~np.isin(case.predicted, [0, 2, 3])
    assert missed[0].probability == case.confidence[malignant & benign_answer].max()


def test_a_lesion_is_shown_once_per_row(make_case: MakeCase) -> None:
    case = make_case([0] * 8, skill=-9.0)
    lesion_of = {record.image_id: record.lesion_id for record in case.records}
    lesions = [lesion_of[e.image_id] for e in worst_mistakes(case) if e.missed]
    assert len(lesions) == len(set(lesions)) > 0


def test_thumbnail_is_a_small_jpeg(make_case: MakeCase) -> None:
    case = make_case([1])
    Image.new("RGB", (900, 600), "red").save(case.locations[0])
    thumbnail = (*draw_samples(case), *worst_mistakes(case))[0].thumbnail
    assert thumbnail is not None
    kind, _, data = thumbnail.partition(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.format == "JPEG"
        assert max(image.size) == 160
        assert image.width * 2 == image.height * 3 or abs(image.height - 107) <= 1


def test_a_map_lies_over_the_picture_whose_answer_it_explains(make_case: MakeCase) -> None:
    case = make_case([1, 1, 1])
    assert {e.overlay for e in draw_samples(case)} == {None}
    Image.new("RGB", (80, 60), (90, 90, 90)).save(case.locations[0])
    corner = np.zeros((4, 4), np.float32)
    corner[0, 0] = 1
    mapped = replace(case, maps={0: Explanation("nv", "Melanocytic nevus", "class activation map", corner)})
    first, *others = sorted((*draw_samples(mapped), *worst_mistakes(mapped)), key=lambda e: e.image_id)
    assert (first.image_id, first.explained) == ("ISIC_0000000", "Melanocytic nevus")
    assert first.overlay is not None
    with Image.open(io.BytesIO(base64.b64decode(first.overlay.partition(",")[2]))) as image:
        red, green, blue = np.asarray(image).astype(int)[2, 2]
        assert blue < 80
        assert min(red, green) > 150
        assert abs(np.asarray(image).astype(int)[50, 70] - 90).max() < 8
    assert {e.overlay for e in others if e.image_id != first.image_id} == {None}


def test_of_two_classes_the_missed_come_first_with_their_diagnosis(make_case: MakeCase) -> None:
    case = make_case(np.arange(140) % 7, skill=0.0, task=TASKS["melanoma"])
    mistakes = worst_mistakes(case)
    missed = [e for e in mistakes if e.missed]
    assert 0 < len(missed) < len(mistakes)
    assert mistakes[: len(missed)] == tuple(missed)
    assert {(e.diagnosis, e.actual, e.predicted) for e in missed} == {("Melanoma", "Melanoma", "Not melanoma")}
    alarms = mistakes[len(missed) :]
    assert {(e.actual, e.predicted) for e in alarms} == {("Not melanoma", "Melanoma")}
    assert "Melanoma" not in {e.diagnosis for e in alarms}
