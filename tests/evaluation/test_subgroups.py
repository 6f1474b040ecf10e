"""Subgroups by skin tone: as stated, or estimated."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lesionlab.evaluation.results import EvaluatedSubset
from lesionlab.evaluation.subgroups import subgroups


def test_stated_classes_replace_the_estimate(make_subset: Callable[..., EvaluatedSubset]) -> None:
    evaluated = make_subset(np.arange(12) % 2, resamples=10)

    def tones(subset: EvaluatedSubset) -> list[str]:
        return [row.value for row in subgroups(subset) if row.group == "skin_tone"]

    assert not any(value.startswith("class") for value in tones(evaluated))
    records = [replace(record, skin_tone="35"[n % 2]) for n, record in enumerate(evaluated.records[1:])]
    assert tones(replace(evaluated, records=(evaluated.records[0], *records))) == ["class 3", "class 5", "unknown"]
