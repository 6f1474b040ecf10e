"""Loading a recipe by name or from a file, with changed settings."""

import difflib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from lesionlab.errors import RecipeError
from lesionlab.recipes.schema import Recipe

_LIBRARY = Path(__file__).parent / "library"


def recipe_names() -> list[str]:
    """Return the names of the recipes in the package."""
    return sorted(path.stem for path in _LIBRARY.glob("*.toml"))


def load_recipe(name_or_path: str, changes: Sequence[str] = ()) -> Recipe:
    """Load a recipe.

    Args:
        name_or_path: Name of a recipe in the package, or the path of a TOML file.
        changes: Settings to change, each as `table.key=value` with a TOML value
            (`training.epochs=3`, `model.backbone="resnet34"`; a bare word is a string).

    Raises:
        RecipeError: The recipe does not exist, is not valid TOML, or has an invalid key or value.

    Example:
        >>> load_recipe("efficientnet-lite0", ["training.epochs=3"]).training.epochs
        3
    """
    source, text = _read(name_or_path)
    try:
        tables: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{source} is not valid TOML: {error}") from error
    return _validate(tables, changes, f"{source}: ")


def change_inference(recipe: Recipe, changes: Sequence[str]) -> Recipe:
    """Return a recipe with other `inference` settings, the only ones that can change after training.

    Args:
        recipe: The recipe.
        changes: As in `load_recipe`; each key begins with `inference.`.

    Raises:
        RecipeError: A key does not belong to `inference`, or a value is invalid.
    """
    for change in changes:
        if not change.strip().startswith("inference."):
            raise RecipeError(f"{change!r}: after training only inference.KEY=value can be set")
    return change_recipe(recipe, changes)


def change_recipe(recipe: Recipe, changes: Sequence[str]) -> Recipe:
    """Return a recipe with changed settings, each as in `load_recipe`.

    Raises:
        RecipeError: A key or a value is invalid.
    """
    return _validate(recipe.model_dump(mode="json"), changes)


def _validate(tables: dict[str, Any], changes: Sequence[str], prefix: str = "") -> Recipe:
    for change in changes:
        _apply(tables, change)
    try:
        return Recipe.model_validate(tables)
    except ValidationError as error:
        raise RecipeError(prefix + "; ".join(_explain(problem) for problem in error.errors())) from error


def _read(name_or_path: str) -> tuple[str, str]:
    if name_or_path in recipe_names():
        return f"recipe {name_or_path}", (_LIBRARY / f"{name_or_path}.toml").read_text(encoding="utf-8")
    path = Path(name_or_path)
    if path.suffix != ".toml" and not path.is_file():
        near = difflib.get_close_matches(name_or_path, recipe_names(), n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(recipe_names())}"
        raise RecipeError(f"no recipe is called {name_or_path!r}; {hint}")
    try:
        return str(path), path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _apply(tables: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals:
        raise RecipeError(f"{change!r} is not of the form table.key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, last = key.strip().split(".")
    table = tables
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise RecipeError(f"{key}: {parent} is a value, not a table")
    table[last] = value


def _explain(problem: Any) -> str:
    key = ".".join(str(entry) for entry in problem["loc"])
    if problem["type"] == "missing":
        return f"{key} is missing"
    if problem["type"] != "extra_forbidden":
        message = problem["msg"].removeprefix("Value error, ")
        # Rules across tables have no key of their own; their messages name the keys.
        return f"{key}: {message} (found {problem['input']!r})" if key else message
    known = _known_keys(problem["loc"])
    near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
    return f"unknown key {key}; {hint}"


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    table: type[BaseModel] = Recipe
    for key in location[:-1]:
        annotation = table.model_fields[str(key)].annotation
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        table = annotation
    return list(table.model_fields)
