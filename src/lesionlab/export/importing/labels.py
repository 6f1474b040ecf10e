"""The classes of a network that was trained elsewhere: a label file, matched to a task."""

import json
from collections.abc import Sequence
from pathlib import Path

from lesionlab.errors import DataError
from lesionlab.taxonomy import TASKS, Task
from lesionlab.taxonomy.spellings import parse_diagnosis

_FORMS = "write one class per line in the order of the outputs, or a JSON list, or a JSON object {index: name}"


def read_labels(path: Path) -> tuple[str, ...]:
    """Return the names of the classes in the order of the outputs.

    Args:
        path: A text file with one class per line; or a JSON file with a list of names, or an object with the name of
            each index or the index of each name.

    Raises:
        DataError: The file cannot be read, or has another content.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        names = _from_json(json.loads(text)) if path.suffix == ".json" else text.splitlines()
    except (OSError, ValueError, RecursionError, DataError) as error:
        raise DataError(f"{path}: the labels cannot be read ({error}); {_FORMS}") from error
    found = tuple(name.strip() for name in names if name.strip())
    if len(found) < 2:
        raise DataError(f"{path}: {len(found)} labels; {_FORMS}")
    return found


def _from_json(content: object) -> list[str]:
    if isinstance(content, list):
        return [str(name) for name in content]
    if not isinstance(content, dict):
        raise DataError("neither a list nor an object")
    # torchvision writes the index of each name.
    inverted = all(isinstance(value, int) for value in content.values())
    by_index = {int(v if inverted else k): str(k if inverted else v) for k, v in content.items()}
    if sorted(by_index) != list(range(len(content))):
        raise DataError(f"the indices are not 0 to {len(content) - 1}")
    return [by_index[index] for index in range(len(content))]


def match_labels(names: Sequence[str], path: Path) -> tuple[Task, tuple[int, ...]]:
    """Return the task with the classes of a label file, and the position in the file of each class of the task.

    Args:
        names: The names in the file.
        path: The file, for messages.

    Raises:
        DataError: A name is unknown, two names are one class, or no task has these classes.
    """
    codes = [parse_diagnosis(name) for name in names]
    remedy = f"write codes of one task into the file, in the order of the outputs: {_tasks_in_words()}"
    if unknown := [name for name, code in zip(names, codes, strict=True) if code is None]:
        raise DataError(f"{path}: unknown label {unknown[0]!r}; {remedy}")
    for position, code in enumerate(codes):
        if (first := codes.index(code)) != position:
            raise DataError(f"{path}: the labels {names[first]!r} and {names[position]!r} are both {code}; {remedy}")
    for task in TASKS.values():
        if set(task.classes) == set(codes):
            return task, tuple(codes.index(code) for code in task.classes)
    raise DataError(f"{path}: no task has the classes {', '.join(filter(None, codes))}; {remedy}")


def _tasks_in_words() -> str:
    return "; ".join(f"{task.name} ({', '.join(task.classes)})" for task in TASKS.values())
