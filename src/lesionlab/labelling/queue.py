"""Which lesion a reader sees next: batches chosen by a strategy, each read by as many readers as are wanted."""

import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from lesionlab.data import Manifest
from lesionlab.errors import UsageError
from lesionlab.labelling.lesions import LesionSet
from lesionlab.labelling.store import AnswerKind, Event, EventKind, LabelStore, LesionStatus, State
from lesionlab.labelling.store.store import EventConflictError
from lesionlab.labelling.strategies import select

_OFFER_SECONDS: Final = 600


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
