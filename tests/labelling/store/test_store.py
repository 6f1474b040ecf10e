"""The store loses and doubles nothing, and its state follows from its events."""

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.errors import LesionlabError, UsageError
from lesionlab.labelling.store import Answer, AnswerKind, Event, EventKind, LabelStore, LesionStatus, State
from lesionlab.labelling.store.store import EventConflictError


def opened(readings: int = 2) -> Event:
    return Event(id="opened", kind=EventKind.OPENED, content={"name": "d", "sha256": "0", "readings": readings})


def answer(number: int, reader: str, lesion: str, value: str, kind: EventKind = EventKind.ANSWERED) -> Event:
    kinds = {"skip", "cannot tell", "not dermoscopic"}
    content = {"kind": value} if value in kinds else {"kind": "diagnosis", "diagnosis": value}
    return Event(id=f"e{number}", kind=kind, reader=reader, lesion=lesion, content=content)


def undo(number: int, reader: str, event: str) -> Event:
    return Event(id=f"e{number}", kind=EventKind.UNDONE, reader=reader, content={"event": event})


def test_two_readers_a_disagreement_and_its_adjudication(tmp_path: Path) -> None:
    with LabelStore(tmp_path / "labels.sqlite") as store:
        store.append(opened())
        store.append(answer(1, "Anna", "L1", "mel"))
        assert store.state().status("L1") is LesionStatus.OPEN
        store.append(answer(2, "Bert", "L1", "nv"), answer(3, "Bert", "L2", "nv"))
        with pytest.raises(UsageError, match="no disagreement"):
            store.append(answer(4, "Cora", "L2", "nv", EventKind.ADJUDICATED))
        assert (store.state().status("L1"), store.state().result("L1")) == (LesionStatus.DISAGREED, None)
        store.append(answer(5, "Cora", "L1", "mel", EventKind.ADJUDICATED), answer(6, "Anna", "L2", "nv"))
        with pytest.raises(UsageError, match="undo the adjudication first"):
            store.append(undo(7, "Anna", "e1"))
        with pytest.raises(UsageError, match="is adjudicated"):
            store.append(answer(8, "Anna", "L1", "nv"))
    with LabelStore(tmp_path / "labels.sqlite") as again:
        state = again.state()
        assert state.readers == ["Anna", "Bert"]
        assert state.lesions() == ["L1", "L2"]
        assert state.status("L1") is LesionStatus.ADJUDICATED
        assert state.result("L1") == Answer(kind=AnswerKind.DIAGNOSIS, diagnosis="mel")
        assert state.status("L2") is LesionStatus.AGREED
        again.append(undo(9, "Cora", "e5"))
        assert again.state().status("L1") is LesionStatus.DISAGREED


def test_undo_restores_what_was_before() -> None:
    with LabelStore("sqlite://") as store:
        store.append(opened(1), answer(1, "Anna", "L1", "mel"), answer(2, "Anna", "L1", "bcc"))
        assert store.state().readings("L1")[0].answer.value == "bcc"
        with pytest.raises(UsageError, match="only own answers"):
            store.append(undo(3, "Bert", "e2"))
        last = store.state().last_of("Anna")
        assert last is not None
        store.append(undo(3, "Anna", last.id))
        assert store.state().readings("L1")[0].answer.value == "mel"
        with pytest.raises(UsageError, match="undone already"):
            store.append(undo(4, "Anna", "e2"))
        with pytest.raises(UsageError, match="no such answer"):
            store.append(undo(4, "Anna", "e9"))
        store.append(undo(4, "Anna", "e1"))
        assert store.state().lesions() == []
        assert store.state().last_of("Anna") is None


def test_a_skip_is_no_reading() -> None:
    with LabelStore("sqlite://") as store:
        store.append(opened(1), answer(1, "Anna", "L1", "skip"))
        assert store.state().answered("L1", "Anna") is AnswerKind.SKIP
        assert store.state().status("L1") is LesionStatus.OPEN
        store.append(answer(2, "Anna", "L1", "cannot tell"))
        assert store.state().result("L1") == Answer(kind=AnswerKind.CANNOT_TELL)


def test_a_repeated_event_changes_nothing_and_another_with_its_id_is_an_error() -> None:
    with LabelStore("sqlite://") as store:
        store.append(opened(1), answer(1, "Anna", "L1", "mel"))
        store.append(answer(1, "Anna", "L1", "mel"))
        with pytest.raises(EventConflictError):
            store.append(answer(2, "Anna", "L2", "nv"), answer(1, "Anna", "L1", "nv"))
        # The whole call failed.
        assert store.state().lesions() == ["L1"]
        assert len(store.state().events) == 2


@pytest.mark.parametrize("change", ["UPDATE lesionlab_events SET reader = 'x'", "DELETE FROM lesionlab_events"])
def test_the_database_rejects_changes(tmp_path: Path, change: str) -> None:
    path = tmp_path / "labels.sqlite"
    with LabelStore(path) as store:
        store.append(opened())
    engine = sa.create_engine(f"sqlite:///{path}")
    with pytest.raises(sa.exc.IntegrityError, match="never changed"), engine.begin() as connection:
        connection.execute(sa.text(change))
    engine.dispose()


STEPS = st.tuples(st.sampled_from("AB"), st.sampled_from("xyz"), st.sampled_from(["mel", "nv", "skip", "undo"]))


@given(values=st.lists(STEPS))
def test_state_is_the_same_after_a_restart(values: list[tuple[str, str, str]]) -> None:
    live = State()
    log: list[Event] = [opened()]
    live.apply(log[0])
    for number, (reader, lesion, value) in enumerate(values):
        if value == "undo":
            last = live.last_of(reader)
            event = undo(number, reader, last.id if last else "")
        else:
            event = answer(number, reader, lesion, value)
        try:
            live.check(event)
        except UsageError:
            continue
        live.apply(event)
        log.append(event)
    again = State()
    for event in log:
        again.apply(Event.model_validate_json(event.model_dump_json()))
    for lesion, status in again.statuses.items():
        assert status is again.status(lesion)
    assert +again.read == Counter(one.reader for one in again.all_readings())
    for lesion in "xyz":
        assert again.readings(lesion) == live.readings(lesion)
        assert again.status(lesion) == live.status(lesion)
        # A reader has one answer at most.
        assert len({one.reader for one in live.readings(lesion)}) == len(live.readings(lesion))


def test_threads_and_processes_share_a_store(tmp_path: Path) -> None:
    path = tmp_path / "labels.sqlite"
    with LabelStore(path) as first, LabelStore(path) as second:
        first.append(opened(1))

        def write(number: int) -> None:
            (first, second)[number % 2].append(answer(number, f"R{number % 3}", f"L{number}", "nv"))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(20)))
        assert len(first.state().lesions()) == len(second.state().lesions()) == 20


_WRITER = """
import sys
from lesionlab.labelling.store import Event, EventKind, LabelStore
store = LabelStore(sys.argv[1])
for number in range(10_000):
    content = {"kind": "diagnosis", "diagnosis": "nv"}
    event = Event(id=f"e{number}", kind=EventKind.ANSWERED, reader="Anna", lesion=f"L{number}", content=content)
    store.append(event)
    print(number, flush=True)
"""


def check_kills(address: str, kills: int) -> None:
    """Kill a process while it writes, and compare what it has reported as stored with the store."""
    reported = -1
    for kill in range(kills):
        writer = subprocess.Popen([sys.executable, "-c", _WRITER, address], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for line in writer.stdout:
            reported = max(reported, int(line))
            if int(line) >= 3 * (kill + 1):
                break
        writer.kill()
        reported = max([reported, *(int(line) for line in writer.stdout.read().split("\n")[:-1])])
        writer.wait()
        writer.stdout.close()
        with LabelStore(address) as store:
            lesions = store.state().lesions()
            # What was reported is stored, once; at most the event in progress is there as well.
            assert len(lesions) in (reported + 1, reported + 2)
            assert len(store.state().events) == len(lesions)


@pytest.mark.slow
def test_a_killed_process_loses_and_doubles_nothing(tmp_path: Path) -> None:
    check_kills(str(tmp_path / "labels.sqlite"), kills=20)


@pytest.mark.slow
def test_postgresql(postgresql: str) -> None:
    check_kills(postgresql, kills=20)
    with LabelStore(postgresql) as store:
        before = len(store.state().events)
        store.append(answer(99_999, "Bert", "Lé", "cannot tell"))
        assert store.state().readings("Lé")[0].at.tzinfo is not None
        assert len(store.state().events) == before + 1
    engine = sa.create_engine(postgresql.replace("postgresql:", "postgresql+psycopg:"))
    for change in ("UPDATE lesionlab_events SET reader = ''", "DELETE FROM lesionlab_events"):
        with pytest.raises(sa.exc.DatabaseError, match="never changed"), engine.begin() as connection:
            connection.execute(sa.text(change))
    engine.dispose()


@pytest.mark.parametrize(
    ("address", "error", "message"),
    [
        ("nosuch://host/labels", UsageError, "nosuch"),
        ("sqlite:////no/such/folder/labels.sqlite", LesionlabError, "unable to open"),
        ("postgresql://u:secret@127.0.0.1:1/labels", LesionlabError, "cannot be used"),
    ],
)
def test_unusable_addresses(address: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as raised:
        LabelStore(address)
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)


def test_another_file_is_not_a_store(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be read as one" * 10)
    with pytest.raises(LesionlabError, match="not a database"):
        LabelStore(path)


@pytest.mark.parametrize(
    "content", [{"kind": "diagnosis"}, {"kind": "skip", "diagnosis": "mel"}, {"kind": "diagnosis", "diagnosis": "flea"}]
)
def test_answers_are_validated(content: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="diagnosis"):
        Answer.model_validate(content)


def test_a_path_may_contain_the_characters_of_urls(tmp_path: Path) -> None:
    with LabelStore(tmp_path / "a?b#c %41.sqlite"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a?b#c %41.sqlite"]
