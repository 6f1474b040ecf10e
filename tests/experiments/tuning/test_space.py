"""The search space: ranges and choices, and their values in a recipe."""

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from lesionlab.errors import RecipeError
from lesionlab.experiments.tuning import SearchedSetting, read_space
from lesionlab.recipes import Recipe

FILE = """
[optimizer]
learning_rate = { low = 1e-4, high = 1e-2, log = true }
schedule = [["cosine"], ["cosine", "plateau"]]
[model]
freeze = [true, false]
"""


def test_ranges_have_the_types_of_the_recipe(make_recipe: Callable[..., Recipe]) -> None:
    ranges = (
        "optimizer.learning_rate=1e-4:1e-2:log",
        "model.dropout=0:0.5",
        "training.epochs=1:4",
        "optimizer.name=adam,adamw",
        "training.batch_size=8,16",
    )
    space = read_space(make_recipe(), ranges)
    assert space.settings == (
        SearchedSetting(key="optimizer.learning_rate", low=1e-4, high=1e-2, log=True),
        SearchedSetting(key="model.dropout", low=0.0, high=0.5),
        SearchedSetting(key="training.epochs", low=1, high=4),
        SearchedSetting(key="optimizer.name", choices=('"adam"', '"adamw"')),
        SearchedSetting(key="training.batch_size", choices=("8", "16")),
    )
    assert space.present() == {
        "optimizer.learning_rate": 0.002,
        "model.dropout": 0.2,
        "training.epochs": 2,
        "optimizer.name": '"adamw"',
        "training.batch_size": "16",
    }
    assert read_space(make_recipe("training.epochs=9"), ranges).present() is None


def test_every_suggestion_is_a_recipe_within_the_ranges(make_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    (tmp_path / "search.toml").write_text(FILE)
    space = read_space(make_recipe(), ["training.epochs=2:5"], tmp_path / "search.toml")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    recipes = [space.suggest(study.ask()) for _ in range(30)]
    assert all(1e-4 <= recipe.optimizer.learning_rate <= 1e-2 for recipe in recipes)
    assert {recipe.training.epochs for recipe in recipes} == {2, 3, 4, 5}
    assert {recipe.optimizer.schedule for recipe in recipes} == {("cosine",), ("cosine", "plateau")}
    assert {recipe.model.freeze for recipe in recipes} == {True, False}
    same = {"optimizer", "training", "model"}
    assert all(recipe.model_dump(exclude=same) == make_recipe().model_dump(exclude=same) for recipe in recipes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optimizer.learning_rat=1e-4:1e-2", "unknown key optimizer.learning_rat; did you mean learning_rate?"),
        ("optimizer.learning_rate", "is not of the form key=low:high"),
        ("optimizer.learning_rate=0:1e-2:log", "optimizer.learning_rate: Input should be greater than 0"),
        ("optimizer.weight_decay=0:1e-2:log", "a logarithmic range begins above 0"),
        ("optimizer.weight_decay=a:b", "the limits are not numbers"),
        ("optimizer.weight_decay=0:1:2", "only log may follow the limits"),
        ("model.dropout=0.5:0.1", "is not a range of numbers, the lower one first"),
        ("model.dropout=0:1", "model.dropout: Input should be less than 1"),
        ("training.epochs=1:2.5", "training.epochs: Input should be a valid integer"),
        ("model.freeze=0:1", "is not a range of numbers"),
        ("model.dropout=0.1", "give at least two choices"),
        ("split.seed=1:9", "split.seed cannot be searched"),
        ("training.monitor=loss,accuracy", "training.monitor cannot be searched"),
    ],
)
def test_a_wrong_range_is_reported(make_recipe: Callable[..., Recipe], text: str, message: str) -> None:
    with pytest.raises(RecipeError) as error:
        read_space(make_recipe(), [text])
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rate = 1", "learning_rate is not a table"),
        ("[optimizer]\nlearning_rate = 1", "optimizer.learning_rate is neither"),
        ("[optimizer]\nlearning_rate = { low = 1e-3, high = 1e-2, step = 1 }", "unknown step"),
        ("[optimizer", "cannot be read"),
        ("", "nothing to search"),
    ],
)
def test_a_wrong_file_is_reported(make_recipe: Callable[..., Recipe], text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "search.toml").write_text(text)
    with pytest.raises(RecipeError, match=message):
        read_space(make_recipe(), file=tmp_path / "search.toml")


def test_a_setting_is_searched_once(make_recipe: Callable[..., Recipe]) -> None:
    with pytest.raises(RecipeError, match=r"model\.dropout is searched twice"):
        read_space(make_recipe(), ["model.dropout=0:0.5", "model.dropout=0.1,0.2"])
