"""The events of a labelling store. They are never changed or deleted; an undo is an event as well."""

import hashlib
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import Field, ValidationError, field_validator, model_validator

from lesionlab.base_models import StrictModel
from lesionlab.errors import UsageError
from lesionlab.taxonomy import BY_CODE, COARSE

# As in a URL or a spreadsheet: no control characters, no white space at the ends.
ReaderName = Annotated[str, Field(pattern=r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]{0,62}[^\s\x00-\x1f\x7f])?$")]
DIAGNOSES: Final = (*BY_CODE, *COARSE)
MAX_NOTE: Final = 2000


class EventKind(StrEnum):
    """What happened."""

    OPENED = "opened"  # a dataset was opened for labelling
    CHOSEN = "chosen"  # a strategy chose a batch of lesions
    ANSWERED = "answered"
    ADJUDICATED = "adjudicated"
    UNDONE = "undone"
    NOTED = "noted"


class AnswerKind(StrEnum):
    """The kinds of answers to a lesion."""

    DIAGNOSIS = "diagnosis"
    NOT_DERMOSCOPIC = "not dermoscopic"
    CANNOT_TELL = "cannot tell"
    SKIP = "skip"


class Answer(StrictModel):
    """Answer of a reader, the content of `answered` and `adjudicated`.

    Attributes:
        kind: Its kind.
        diagnosis: Code of the diagnosis, or a coarse label such as `benign`; None for the other kinds.
        seconds: Time from the display of the lesion to the answer; None where unknown.
        prediction_shown: Whether the reader had seen the model's result.
        origin: `page`, or the table that the answer was imported from.
    """

    kind: AnswerKind
    diagnosis: str | None = None
    seconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    prediction_shown: bool = False
    origin: str = Field(default="page", max_length=255)

    @field_validator("diagnosis")
    @classmethod
    def _known(cls, diagnosis: str | None) -> str | None:
        if diagnosis is not None and diagnosis not in DIAGNOSES:
            raise ValueError(f"diagnosis {diagnosis!r} is none of {', '.join(DIAGNOSES)}")
        return diagnosis

    @model_validator(mode="after")
    def _diagnosis_belongs_to_its_kind(self) -> "Answer":
        if (self.kind is AnswerKind.DIAGNOSIS) != (self.diagnosis is not None):
            raise ValueError("an answer has a diagnosis if that is its kind, and else none")
        return self

    @property
    def value(self) -> str:
        """What two answers must share to agree: the diagnosis, or the kind of another answer."""
        return self.diagnosis or self.kind


class Event(StrictModel):
    """One event.

    Attributes:
        id: Chosen by the sender, so that a repeated request changes nothing.
        kind: What happened.
        reader: Name of the reader; empty for an event of the program.
        lesion: The lesion; empty where the event is about none or several.
        at: Time of the report, UTC.
        content: Values of the kind: an `Answer`, `event` (undone), `text` (noted), or what `State` reads.
    """

    id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    kind: EventKind
    reader: ReaderName | None = None
    lesion: str = Field(default="", max_length=255)
    at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    content: dict[str, Any] = Field(default_factory=dict)

    @property
    def answer(self) -> Answer:
        """The answer of an event that holds one."""
        return Answer.model_validate(self.content)

    def repeats(self, other: "Event") -> bool:
        """Whether another event with the same id reports the same, whatever the time."""
        return self.model_dump(exclude={"at"}) == other.model_dump(exclude={"at"})


def answer_event(identity: str, kind: EventKind, reader: str, lesion: str, answer: Answer) -> Event:
    """Return the event of an answer or adjudication.

    Raises:
        UsageError: The name of the reader, or an id, is not valid.
    """
    try:
        return Event(id=identity, kind=kind, reader=reader, lesion=lesion, content=answer.model_dump(mode="json"))
    except ValidationError as error:
        raise UsageError(
            f"reader {reader!r}, event {identity!r}: {error.errors()[0]['msg']}; a reader's name has 1 to 64 characters"
        ) from error


def derived_id(*parts: object) -> str:
    """Return the id of an event that follows from data, the same whenever it is reported."""
    return hashlib.sha256("\x00".join(map(str, parts)).encode()).hexdigest()
