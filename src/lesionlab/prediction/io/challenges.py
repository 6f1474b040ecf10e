"""Submission formats of challenges: one row per image or lesion, one column per class of the challenge.

The columns and their diagnoses are in `lesionlab.taxonomy.views`. Scorers take the column with the highest value of a
row, so the values are the scores of the balanced decision rule, not the probabilities.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import numpy as np

from lesionlab.bundle import DecisionRule
from lesionlab.errors import UsageError
from lesionlab.images.formats import image_id
from lesionlab.metrics.arrays import FloatArray
from lesionlab.results import Prediction
from lesionlab.taxonomy import Task
from lesionlab.taxonomy.views import ISIC_2018, ISIC_2019, MILK10K, columns_of

# MILK10k's folder of a lesion, with its images: `IL_0004688/ISIC_3624913.jpg`.
_LESION_FOLDER = re.compile(r"(?:^|[/\\:])(IL_\d+)[/\\][^/\\]+$")


@dataclass(frozen=True, slots=True)
class Challenge:
    """A submission format.

    Attributes:
        columns: The columns as a task.
        key: Name of the first column.
        key_of: The first column of an image at a location.
        by_lesion: Whether several images may have one row.
    """

    columns: Task
    key: str
    key_of: Callable[[str], str]
    by_lesion: bool = False


def _lesion_id(location: str) -> str:
    """Return the lesion of an image: its folder in MILK10k, otherwise the name of the image."""
    found = _LESION_FOLDER.search(location)
    return found[1] if found else image_id(location)


CHALLENGES: dict[str, Challenge] = {
    "isic": Challenge(ISIC_2018, "image", image_id),
    "isic2019": Challenge(ISIC_2019, "image", image_id),
    "milk10k": Challenge(MILK10K, "lesion_id", _lesion_id, by_lesion=True),
}


def require_unique_ids(name: str, locations: Iterable[str]) -> None:
    """Check that no two images have the same row in a challenge's format.

    Raises:
        UsageError: Two images have the same name, which identifies an image in the format.
    """
    challenge = CHALLENGES[name]
    seen: dict[str, str] = {}
    for location in locations if not challenge.by_lesion else ():
        first = seen.setdefault(challenge.key_of(location), location)
        if first != location:
            raise UsageError(
                f"{first} and {location} have the same name in the format {name}; use csv or jsonl, or rename one"
            )


@contextmanager
def challenge_writer(
    name: str, stream: IO[str], task: Task, rule: DecisionRule
) -> Iterator[Callable[[Prediction], None]]:
    """Write the header of a challenge's format; yield the function that adds a prediction.

    A row of several images of one lesion is the mean of those without an abstention, if there are any.

    Args:
        name: One of `CHALLENGES`.
        stream: Where the rows go.
        task: The task of the model.
        rule: Its decision rule.

    Raises:
        UsageError: A class of the model belongs to several columns.
    """
    challenge = CHALLENGES[name]
    view = columns_of(task, challenge.columns)
    if view is None:
        raise UsageError(
            f"the format {name} needs single diagnoses; this model has {', '.join(task.classes)}: use csv or jsonl"
        )
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow((challenge.key, *challenge.columns.classes))
    of_lesion: dict[str, list[tuple[bool, FloatArray]]] = {}

    def write_row(key: str, values: FloatArray) -> None:
        rows.writerow([key, *(f"{value:.6f}" for value in values)])

    def write(prediction: Prediction) -> None:
        scores = rule.scores(np.array([prediction.probabilities[code] for code in task.classes]))
        key, values = challenge.key_of(prediction.image), view.probabilities(scores)
        if challenge.by_lesion:
            of_lesion.setdefault(key, []).append((prediction.abstained, values))
        else:
            write_row(key, values)

    yield write
    for key, images in of_lesion.items():
        kept = [values for abstained, values in images if not abstained]
        write_row(key, np.mean(kept or [values for _, values in images], axis=0))
