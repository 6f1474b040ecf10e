"""Which lesion a reader sees next: batches chosen by a strategy, each read by as many readers as are wanted."""

import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lesionlab.data import Manifest
from lesionlab.data.readers.table import read_table
from lesionlab.errors import DataError, UsageError
from lesionlab.files import sha256_of_file
from lesionlab.labelling.lesions import LesionSet
from lesionlab.labelling.store import AnswerKind, Event, EventKind, LabelStore, LesionStatus, State
from lesionlab.labelling.store.store import EventConflictError
from lesionlab.labelling.strategies import select

_OFFER_SECONDS: Final = 600
REVIEW: Final = "review"  # in place of a strategy: a list of the data check


def open_labelling(store: LabelStore, manifest: Manifest, readings: int | None = None) -> State:
    """Open a dataset in a store: a new store takes it, a used one must have the same.

    Args:
        store: The store.
        manifest: The images.
        readings: Number of independent readings of each lesion; None: as in the store, and 1 in a new one.

    Raises:
        UsageError: The store belongs to another dataset, or has another number of readings.
    """
    name, digest = manifest.root.resolve().name, manifest.sha256
    content = {"name": name, "sha256": digest, "readings": readings or 1}
    state = store.state()
    if not state.dataset:
        try:
            state = store.append(Event(id="opened", kind=EventKind.OPENED, content=content))
        except EventConflictError:  # another process was first
            state = store.state()
    if state.dataset["sha256"] != digest:
        raise UsageError(
            f"the store belongs to the dataset {state.dataset['name']}, not to {name} as it is now; choose another "
            "--store, and move labels with `lesionlab label export` and `import`"
        )
    if readings is not None and readings != state.wanted:
        raise UsageError(f"--readings {readings}: the store was opened with {state.wanted}; it cannot be changed")
    return state


def add_review(store: LabelStore, lesions: LesionSet, path: Path) -> int:
    """Let readers see the lesions of a list for review before those of the strategy; a list is added once.

    Lesions that a strategy has chosen already, at most a batch, come before them.

    Args:
        store: An opened store.
        lesions: All lesions.
        path: A `decisions.csv` of `lesionlab data label-issues` or `duplicates`; decided lines are passed over.

    Returns:
        The number of lesions in the list.

    Raises:
        DataError: The file cannot be read, is another table, or names no lesion of the dataset.
    """
    table = read_table(path)
    lesion_of = {image: record.labelled_id for image, record in lesions.record_of.items()}
    lesion_of |= {lesion: lesion for lesion in lesions.ids}
    columns = [name for name in ("lesion_id", "first", "second") if name in table.header]
    if not columns or "decision" not in table.header:
        raise DataError(f"{path}: this is no list of `lesionlab data label-issues` or `duplicates`")
    rows = [dict(zip(table.header, cells, strict=False)) for _, cells in table.rows]
    named = [row.get(column, "") for row in rows if not row.get("decision") for column in columns]
    listed = list(dict.fromkeys(lesion_of[name] for name in named if name in lesion_of))
    if not listed:
        raise DataError(f"{path}: no line without a decision names a lesion of {lesions.manifest.root}")
    content = {"strategy": REVIEW, "model": path.name, "lesions": listed}
    store.append(Event(id=f"review-{sha256_of_file(path)[:16]}", kind=EventKind.CHOSEN, content=content))
    return len(listed)


@dataclass
class Queue:
    """The lesions to show next.

    Attributes:
        lesions: All lesions.
        store: The store.
        strategy: Name of the strategy that chooses the next batch.
        batch: Number of lesions in a batch.
    """

    lesions: LesionSet
    store: LabelStore
    strategy: str
    batch: int
    _offers: dict[str, tuple[str, float]] = field(default_factory=dict)

    def next(self, reader: str) -> str | None:
        """Return the next lesion of a reader, or None when nothing is left; skipped lesions come at the end.

        A lesion that was shown to another reader some minutes ago counts as read by that one.
        """
        while True:
            with self.store.reading() as state:
                skipped = None
                for lesion in state.choices:
                    answered = state.answered(lesion, reader)
                    if answered is not None and (answered is not AnswerKind.SKIP or skipped is not None):
                        continue
                    if lesion not in self.lesions.images or not self._is_open(state, lesion, reader):
                        continue
                    if answered is None:
                        self._offers[lesion] = reader, time.monotonic()
                        return lesion
                    skipped = lesion
                if not self._choose(state):
                    return skipped

    def _is_open(self, state: State, lesion: str, reader: str) -> bool:
        others = {one.reader for one in state.readings(lesion)} - {reader}
        offered, at = self._offers.get(lesion, (reader, 0.0))
        if offered != reader and time.monotonic() - at < _OFFER_SECONDS and state.answered(lesion, offered) is None:
            others.add(offered)
        return len(others) < state.wanted and state.status(lesion) is not LesionStatus.ADJUDICATED

    def _choose(self, state: State) -> bool:
        """Let the strategy choose a batch; false if no lesion is left."""
        number = state.batches + 1
        rows = select(self.strategy, self.lesions.pool(state), self.batch, number)
        if not len(rows):
            return False
        chosen = [self.lesions.ids[row] for row in rows]
        content = {"strategy": self.strategy, "model": self.lesions.model, "lesions": chosen}
        with suppress(EventConflictError):  # another process has chosen this batch, which is used
            self.store.append(Event(id=f"batch-{number}", kind=EventKind.CHOSEN, content=content))
        return True
