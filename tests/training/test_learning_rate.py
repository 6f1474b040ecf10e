"""The learning-rate range test."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from lesionlab.data import Manifest, make_split
from lesionlab.errors import DataError, UsageError
from lesionlab.recipes import Recipe
from lesionlab.training.learning_rate import find_learning_rate, smooth

MakeRecipe = Callable[..., Recipe]


@pytest.mark.slow
def test_the_suggested_rate_is_below_that_of_the_lowest_loss(make_recipe: MakeRecipe, phantoms: Manifest) -> None:
    recipe = make_recipe("model.dropout=0", "training.ema_decay=0.9", "optimizer.schedule=['plateau']")
    split = make_split(phantoms)
    done: list[tuple[int, int]] = []
    curve = find_learning_rate(
        recipe, phantoms, split, steps=60, device="cpu", progress=lambda *counts: done.append(counts)
    )
    assert 1e-4 < curve.suggestion < curve.lowest <= 1
    assert list(curve.rates) == pytest.approx(list(np.geomspace(1e-7, 1, 60)[: len(curve.rates)]))
    assert curve.losses[0] == pytest.approx(np.log(7), abs=0.3)
    assert done[-1] == (len(curve.rates), 60)
    torch.manual_seed(5)
    assert find_learning_rate(recipe, phantoms, split, steps=60, device="cpu") == curve  # the seed of the recipe counts


@pytest.mark.slow
def test_steps_with_several_batches_and_a_frozen_backbone_are_tested(
    make_recipe: MakeRecipe, phantoms: Manifest
) -> None:
    recipe = make_recipe("training.accumulate=3", "model.freeze=true", "training.batch_size=8")
    curve = find_learning_rate(recipe, phantoms, make_split(phantoms), lowest=1e-5, steps=15, device="cpu")
    assert curve.losses[0] == pytest.approx(np.log(7), abs=0.5)


def test_settings_without_a_result_are_an_error(make_recipe: MakeRecipe, phantoms: Manifest) -> None:
    split = make_split(phantoms)
    for options in ({"lowest": 1.0, "highest": 0.1}, {"lowest": 0.0}):
        with pytest.raises(UsageError, match="rates 0 < lowest < highest"):
            find_learning_rate(make_recipe(), phantoms, split, **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="at least 10 steps"):
        find_learning_rate(make_recipe(), phantoms, split, steps=9)
    with pytest.raises(DataError, match="falls at no rate"):
        find_learning_rate(
            make_recipe("optimizer.gradient_clip=0"), phantoms, split, lowest=1e20, highest=1e30, steps=10, device="cpu"
        )


def test_the_average_has_no_bias_at_its_start() -> None:
    assert smooth(np.full(5, 3.0)).tolist() == pytest.approx([3.0] * 5)
