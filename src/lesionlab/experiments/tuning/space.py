"""The search space: ranges and choices of a recipe's settings."""

import json
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionlab.base_models import StrictModel
from lesionlab.errors import RecipeError
from lesionlab.recipes import Recipe, change_recipe

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.trial import FrozenTrial

# What a training depends on. Others would change the images of the subsets, or the metric that trials are compared in.
_TABLES = (
    "input",
    "crop",
    "model",
    "head",
    "augmentation",
    "sampling",
    "loss",
    "distillation",
    "optimizer",
    "training",
    "unfreeze",
)
_FIXED = ("training.monitor",)
_LOG = "log"


class SearchedSetting(StrictModel):
    """A setting of a recipe that is searched: a range of numbers, or choices.

    Attributes:
        key: The setting, as `table.key`.
        low: Lowest value of a range.
        high: Highest value of a range; integers if both are.
        log: Whether the range is searched on a logarithmic scale.
        choices: Values as JSON, for a setting without a range.
    """

    key: str
    low: int | float = 0
    high: int | float = 0
    log: bool = False
    choices: tuple[str, ...] = ()

    def suggest(self, trial: "Trial") -> str:
        """Return the value of a trial as a change of the recipe, `table.key=value`."""
        value: Any
        if self.choices:
            return f"{self.key}={trial.suggest_categorical(self.key, self.choices)}"
        if isinstance(self.low, int) and isinstance(self.high, int):
            value = trial.suggest_int(self.key, self.low, self.high, log=self.log)
        else:
            value = trial.suggest_float(self.key, self.low, self.high, log=self.log)
        return f"{self.key}={value!r}"

    def contains(self, value: Any) -> bool:
        """Return whether a value of the recipe can be suggested."""
        if self.choices:
            return json.dumps(value) in self.choices
        return bool(self.low <= value <= self.high)


class SearchSpace(StrictModel):
    """The settings that are searched, and the recipe that has the values of all others.

    Attributes:
        recipe: The recipe.
        settings: The searched settings.
    """

    recipe: Recipe
    settings: tuple[SearchedSetting, ...]

    def suggest(self, trial: "Trial") -> Recipe:
        """Return the recipe of a trial.

        Raises:
            RecipeError: The values contradict each other.
        """
        return change_recipe(self.recipe, [setting.suggest(trial) for setting in self.settings])

    def recipe_of(self, trial: "FrozenTrial") -> Recipe:
        """Return the recipe of a finished trial."""
        return change_recipe(self.recipe, [f"{key}={value}" for key, value in trial.params.items()])

    def present(self) -> dict[str, Any] | None:
        """Return the recipe's own values of the searched settings; None if the space does not contain them."""
        own = {setting.key: _value(self.recipe, setting.key) for setting in self.settings}
        if not all(setting.contains(own[setting.key]) for setting in self.settings):
            return None
        return {one.key: json.dumps(own[one.key]) if one.choices else own[one.key] for one in self.settings}


def read_space(recipe: Recipe, ranges: Sequence[str] = (), file: Path | None = None) -> SearchSpace:
    """Return the search space of ranges and of a file.

    Args:
        recipe: The recipe.
        ranges: Each as `table.key=low:high`, `table.key=low:high:log` or `table.key=a,b,c`.
        file: TOML file with the tables and keys of a recipe, whose values are `{ low = 1e-4, high = 1e-2, log = true }`
            or a list of choices.

    Raises:
        RecipeError: A range cannot be read, a setting does not exist or is not one of the training, or a limit is not
            valid in the recipe. No setting is searched.
    """
    found = [*(_of_file(file) if file else ()), *map(_of_text, ranges)]
    if not found:
        raise RecipeError("nothing to search: give --range key=low:high, or --search with a file of ranges")
    settings = tuple(_checked(recipe, key, given) for key, given in found)
    keys = [setting.key for setting in settings]
    if twice := {key for key in keys if keys.count(key) > 1}:
        raise RecipeError(f"{min(twice)} is searched twice; give one range for it")
    return SearchSpace(recipe=recipe, settings=settings)


def _of_text(text: str) -> tuple[str, Any]:
    key, equals, values = text.partition("=")
    if not equals or not values:
        raise RecipeError(f"--range {text!r} is not of the form key=low:high, key=low:high:log or key=a,b,c")
    limits = values.split(":")
    if len(limits) in (2, 3) and '"' not in values:
        if limits[2:] not in ([], [_LOG]):
            raise RecipeError(f"--range {text!r}: only log may follow the limits")
        try:
            low, high = (tomllib.loads(f"value = {limit}")["value"] for limit in limits[:2])
        except tomllib.TOMLDecodeError as error:
            raise RecipeError(f"--range {text!r}: the limits are not numbers") from error
        return key.strip(), {"low": low, "high": high, _LOG: _LOG in limits}
    try:
        return key.strip(), tomllib.loads(f"value = [{values}]")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), values.split(",")


def _of_file(file: Path) -> Iterator[tuple[str, Any]]:
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"search file {file} cannot be read: {error}") from error
    for table, settings in tables.items():
        if not isinstance(settings, dict):
            raise RecipeError(f"{file}: {table} is not a table; write [optimizer] and below it learning_rate = ...")
        for key, given in settings.items():
            if not isinstance(given, list) and (not isinstance(given, dict) or not {"low", "high"} <= given.keys()):
                raise RecipeError(f"{file}: {table}.{key} is neither {{ low = ..., high = ... }} nor a list of choices")
            yield f"{table}.{key}", given


def _checked(recipe: Recipe, key: str, given: Any) -> SearchedSetting:
    """Return a setting whose limits or choices are valid in the recipe, in the types of the recipe."""
    if key.partition(".")[0] not in _TABLES or key in _FIXED:
        raise RecipeError(
            f"{key} cannot be searched: it changes the images or the metric that trials are compared in; "
            f"search settings of {', '.join(_TABLES)}"
        )
    if isinstance(given, list):
        if len(given) < 2:
            raise RecipeError(f"{key}: give at least two choices, or a range as low:high")
        values = [_value(change_recipe(recipe, [f"{key}={_toml(choice)}"]), key) for choice in given]
        return SearchedSetting(key=key, choices=tuple(map(json.dumps, values)))
    if unknown := given.keys() - {"low", "high", _LOG}:
        raise RecipeError(f"{key}: unknown {min(unknown)}; a range has low, high and log")
    low, high = (_value(change_recipe(recipe, [f"{key}={_toml(given[end])}"]), key) for end in ("low", "high"))
    numbers = all(isinstance(limit, int | float) and not isinstance(limit, bool) for limit in (low, high))
    if not numbers or low >= high:
        raise RecipeError(f"{key}: {low!r} to {high!r} is not a range of numbers, the lower one first")
    log = bool(given.get(_LOG))
    if log and low <= 0:
        raise RecipeError(f"{key}: a logarithmic range begins above 0, and not at {low}")
    return SearchedSetting(key=key, low=low, high=high, log=log)


def _toml(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _value(recipe: Recipe, key: str) -> Any:
    value: Any = recipe.model_dump(mode="json")
    for part in key.split("."):
        value = value[part]
    return value
