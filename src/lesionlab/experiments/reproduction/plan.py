"""Plans: the recipes of a reproduction, with changes and split protocols."""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator

from lesionlab.base_models import StrictModel
from lesionlab.errors import UsageError
from lesionlab.recipes import SplitProtocol


class PlannedRun(StrictModel):
    """One table `[[run]]` of a plan.

    Attributes:
        recipe: Name of a recipe, or a TOML file.
        changes: Changes of settings, under the key `set`; see `lesionlab.recipes.load_recipe`.
        remark: Note on the changes, such as a smaller backbone, shown after the recipe's name in every table.
        protocols: Split protocols to run; None for all that the recipe allows.
    """

    recipe: str
    changes: tuple[str, ...] = Field(default=(), alias="set")
    remark: str = ""
    protocols: tuple[SplitProtocol, ...] | None = Field(default=None, min_length=1)

    @field_validator("protocols")
    @classmethod
    def _each_once(cls, value: tuple[SplitProtocol, ...] | None) -> tuple[SplitProtocol, ...] | None:
        if value is not None and len(set(value)) != len(value):
            raise ValueError("a split protocol is named twice")
        return value


class _Plan(StrictModel):
    run: tuple[PlannedRun, ...] = Field(min_length=1)


def read_plan(path: Path) -> tuple[PlannedRun, ...]:
    """Read a plan from a TOML file of tables `[[run]]`.

    Raises:
        UsageError: It cannot be read, or a key or value is wrong.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"plan {path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    try:
        return _Plan.model_validate(tables).run
    except ValidationError as error:
        raise UsageError(f"plan {path}: " + "; ".join(_explain(problem) for problem in error.errors())) from error


def _explain(problem: Any) -> str:
    location, kind, message = (problem[key] for key in ("loc", "type", "msg"))
    key = ".".join(str(part) for part in location)
    if kind == "extra_forbidden":
        known = ("run",) if len(location) == 1 else ("recipe", "set", "remark", "protocols")
        return f"unknown key {key}; known here: {', '.join(known)}"
    return f"{key} is missing" if kind == "missing" else f"{key}: {message.removeprefix('Value error, ')}"
