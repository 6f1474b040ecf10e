"""The state of a labelling: it follows from the events alone."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from lesionlab.errors import UsageError
from lesionlab.labelling.store.events import Answer, AnswerKind, Event, EventKind


class LesionStatus(StrEnum):
    """How far a lesion is."""

    OPEN = "open"  # readings are missing
    AGREED = "agreed"
    DISAGREED = "disagreed"  # waits for an adjudication
    ADJUDICATED = "adjudicated"


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer that counts.

    Attributes:
        event: Id of its event.
        reader: Name of the reader.
        lesion: The lesion.
        answer: The answer.
        at: Time of the report.
    """

    event: str
    reader: str
    lesion: str
    answer: Answer
    at: datetime


@dataclass(frozen=True, slots=True)
class Choice:
    """Why a lesion was to be labelled.

    Attributes:
        strategy: Name of the strategy.
        batch: Number of its batch, from 1.
        model: Identity of the model that the strategy used.
    """

    strategy: str
    batch: int
    model: str


@dataclass
class State:
    """Readings, adjudications and choices.

    Attributes:
        dataset: Facts of the opened dataset: `name`, `sha256`, `readings`; empty before.
        events: All events by id.
        choices: The chosen lesions in their order.
        batches: Number of batches.
        statuses: Status of each lesion with a reading, a skip or an adjudication, now or before an undo.
        read: Number of lesions that each reader has read.
    """

    dataset: dict[str, object] = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)
    choices: dict[str, Choice] = field(default_factory=dict)
    batches: int = 0
    statuses: dict[str, LesionStatus] = field(default_factory=dict)
    read: Counter[str] = field(default_factory=Counter)
    _answers: dict[str, dict[str, list[Reading]]] = field(default_factory=dict)
    _decisions: dict[str, list[Reading]] = field(default_factory=dict)
    _notes: dict[tuple[str, str], str] = field(default_factory=dict)
    _undone: set[str] = field(default_factory=set)
    _done: dict[str, list[str]] = field(default_factory=dict)
    _ever: set[tuple[str, str]] = field(default_factory=set)

    @property
    def wanted(self) -> int:
        """Number of independent readings of each lesion."""
        return int(str(self.dataset.get("readings", 1)))

    @property
    def readers(self) -> list[str]:
        """Names of all readers with an answer that counts."""
        return sorted({reader for held in self._answers.values() for reader, stack in held.items() if stack})

    def readings(self, lesion: str) -> list[Reading]:
        """Return the answer of each reader that counts, without skips."""
        return [
            stack[-1]
            for _, stack in sorted(self._answers.get(lesion, {}).items())
            if stack and stack[-1].answer.kind is not AnswerKind.SKIP
        ]

    def all_readings(self) -> Iterator[Reading]:
        """Yield the readings of all lesions."""
        for lesion in self._answers:
            yield from self.readings(lesion)

    def answered(self, lesion: str, reader: str) -> AnswerKind | None:
        """Return the kind of a reader's last answer to a lesion, a skip included; None without one."""
        stack = self._answers.get(lesion, {}).get(reader)
        return stack[-1].answer.kind if stack else None

    def has_answered(self, lesion: str, reader: str) -> bool:
        """Whether a reader has ever answered a lesion, undone answers and skips included."""
        return (lesion, reader) in self._ever

    def adjudication(self, lesion: str) -> Reading | None:
        """Return the adjudication of a lesion."""
        stack = self._decisions.get(lesion)
        return stack[-1] if stack else None

    def note(self, lesion: str, reader: str) -> str:
        """Return a reader's note on a lesion; empty without one."""
        return self._notes.get((lesion, reader), "")

    def status(self, lesion: str) -> LesionStatus:
        """Return how far a lesion is."""
        if self.adjudication(lesion):
            return LesionStatus.ADJUDICATED
        found = self.readings(lesion)
        if len(found) < self.wanted:
            return LesionStatus.OPEN
        return LesionStatus.AGREED if len({one.answer.value for one in found}) == 1 else LesionStatus.DISAGREED

    def result(self, lesion: str) -> Answer | None:
        """Return the answer that the readings or the adjudication of a lesion give; None for an open question."""
        decided = self.adjudication(lesion)
        if decided is not None:
            return decided.answer
        return self.readings(lesion)[0].answer if self.status(lesion) is LesionStatus.AGREED else None

    def lesions(self) -> list[str]:
        """Return all lesions with a reading or an adjudication."""
        read = {lesion for lesion in self._answers if self.readings(lesion)}
        return sorted(read | {lesion for lesion, stack in self._decisions.items() if stack})

    def last_of(self, reader: str) -> Event | None:
        """Return the last answer or adjudication of a reader that is not undone."""
        done = self._done.get(reader)
        return self.events[done[-1]] if done else None

    def check(self, event: Event) -> None:
        """Check that an event can follow.

        Raises:
            UsageError: It cannot; the message has the reason.
        """
        if event.kind in (EventKind.ANSWERED, EventKind.ADJUDICATED, EventKind.UNDONE, EventKind.NOTED):
            if event.reader is None:
                raise UsageError("the event has no reader")
            if event.kind is not EventKind.UNDONE and not event.lesion:
                raise UsageError("the event has no lesion")
        status = self.status(event.lesion)
        if event.kind is EventKind.ANSWERED and status is LesionStatus.ADJUDICATED:
            raise UsageError(f"lesion {event.lesion} is adjudicated; undo the adjudication first")
        if event.kind is EventKind.ADJUDICATED:
            if event.answer.kind is AnswerKind.SKIP:
                raise UsageError("an adjudication is a diagnosis, 'not dermoscopic' or 'cannot tell', not a skip")
            if status not in (LesionStatus.DISAGREED, LesionStatus.ADJUDICATED):
                raise UsageError(f"lesion {event.lesion} has no disagreement to adjudicate")
        if event.kind is EventKind.UNDONE:
            self._check_undo(event)

    def apply(self, event: Event) -> None:
        """Let an event change the state."""
        self.events[event.id] = event
        reader = event.reader or ""
        lesion = self.events[event.content["event"]].lesion if event.kind is EventKind.UNDONE else event.lesion
        self.read.subtract(one.reader for one in self.readings(lesion))
        if event.kind is EventKind.OPENED:
            self.dataset = event.content
        elif event.kind is EventKind.CHOSEN:
            self.batches += 1
            choice = Choice(event.content["strategy"], self.batches, event.content["model"])
            for lesion in event.content["lesions"]:
                self.choices.setdefault(lesion, choice)
        elif event.kind is EventKind.NOTED:
            self._notes[event.lesion, reader] = event.content["text"]
        elif event.kind is EventKind.UNDONE:
            self._undo(self.events[event.content["event"]])
        else:
            reading = Reading(event.id, reader, event.lesion, event.answer, event.at)
            self._stack(event).append(reading)
            self._done.setdefault(reader, []).append(event.id)
            if event.kind is EventKind.ANSWERED:
                self._ever.add((event.lesion, reader))
        self.read.update(one.reader for one in self.readings(lesion))
        if lesion:
            self.statuses[lesion] = self.status(lesion)

    def _stack(self, event: Event) -> list[Reading]:
        if event.kind is EventKind.ADJUDICATED:
            return self._decisions.setdefault(event.lesion, [])
        return self._answers.setdefault(event.lesion, {}).setdefault(event.reader or "", [])

    def _check_undo(self, event: Event) -> None:
        undone = self.events.get(str(event.content.get("event")))
        if undone is None or undone.kind not in (EventKind.ANSWERED, EventKind.ADJUDICATED):
            raise UsageError("there is no such answer to undo")
        if undone.reader != event.reader:
            raise UsageError("a reader can undo only own answers")
        if undone.id in self._undone:
            raise UsageError("the answer is undone already")
        if undone.kind is EventKind.ANSWERED and self.status(undone.lesion) is LesionStatus.ADJUDICATED:
            raise UsageError(f"lesion {undone.lesion} is adjudicated; undo the adjudication first")

    def _undo(self, undone: Event) -> None:
        self._undone.add(undone.id)
        stack = self._stack(undone)
        stack[:] = [reading for reading in stack if reading.event != undone.id]
        self._done[undone.reader or ""].remove(undone.id)
