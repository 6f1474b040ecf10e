"""The labelling store: an append-only log of events in a database, and the state that follows from it."""

from lesionlab.labelling.store.events import Answer, AnswerKind, Event, EventKind
from lesionlab.labelling.store.state import LesionStatus, Reading, State
from lesionlab.labelling.store.store import LabelStore

__all__ = ["Answer", "AnswerKind", "Event", "EventKind", "LabelStore", "LesionStatus", "Reading", "State"]
