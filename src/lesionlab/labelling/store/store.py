"""The store: events in SQLite or PostgreSQL, appended one after another, and their state."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Any, Final, Self

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from lesionlab.errors import LesionlabError, UsageError
from lesionlab.labelling.store.events import Event
from lesionlab.labelling.store.state import State

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_BUSY_SECONDS: Final = 30
_LOCK: Final = 7_300_551  # the advisory lock of appends in PostgreSQL, any constant

_EVENTS: Final = sa.table(
    "lesionlab_events",
    sa.column("position", sa.BigInteger),
    sa.column("id", sa.String),
    sa.column("kind", sa.String),
    sa.column("reader", sa.String),
    sa.column("lesion", sa.String),
    sa.column("at", sa.DateTime(timezone=True)),
    sa.column("content", sa.JSON),
)


class EventConflictError(UsageError):
    """Another event has the same id."""


class LabelStore:
    """A store that is open. Several threads and processes may use one store at a time.

    Example:
        >>> with LabelStore("sqlite://") as store:
        ...     store.state().readers
        []
    """

    def __init__(self, address: str | Path) -> None:
        """Open a store, create it if it is missing, and bring its tables up to date.

        Args:
            address: Path of an SQLite file, or the URL of a database such as `postgresql://user@host/labels`.

        Raises:
            UsageError: The URL is not valid, or its driver is not installed.
            LesionlabError: The database cannot be opened.
        """
        text = str(address)
        self._place = _hidden(text) if "://" in text else text
        try:
            self._engine = _engine(_url(text))
        except (ArgumentError, ModuleNotFoundError) as error:
            raise UsageError(f"--store {self._place}: {_first_line(error)}; give a file or a database URL") from error
        self._lock = RLock()
        self._state, self._position = State(), 0
        with self._exclusive() as connection:
            _migrate(connection)

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def state(self) -> State:
        """Return the state after all events so far, those of other processes included.

        Raises:
            LesionlabError: The database cannot be read.
        """
        with self._lock:
            with self._exclusive() as connection:
                self._catch_up(connection)
            return self._state

    @contextmanager
    def reading(self) -> Iterator[State]:
        """Yield the state, unchanged by other threads until the end of the block."""
        with self._lock:
            yield self.state()

    def append(self, *events: Event, check: Callable[[State, Event], None] = State.check) -> State:
        """Append events, all of them or none, and return the state. An event that is stored already changes nothing.

        Args:
            events: The events in their order.
            check: Raises an error for an event that cannot follow.

        Raises:
            EventConflictError: Another event has the same id.
            UsageError: An event cannot follow.
            LesionlabError: The database cannot be written.
        """
        with self._lock:
            try:
                with self._exclusive() as connection:
                    self._catch_up(connection)
                    for event in events:
                        if self._is_new(event, check):
                            values = event.model_dump() | {"reader": event.reader or "", "at": event.at.astimezone(UTC)}
                            connection.execute(sa.insert(_EVENTS).values(values))
                            self._catch_up(connection)
            except BaseException:
                # Nothing was stored: the state is read again.
                self._state, self._position = State(), 0
                raise
            return self._state

    def _is_new(self, event: Event, check: Callable[[State, Event], None]) -> bool:
        stored = self._state.events.get(event.id)
        if stored is None:
            check(self._state, event)
        elif not event.repeats(stored):
            raise EventConflictError(f"event {event.id} is stored with another content; use a new id")
        return stored is None

    def _catch_up(self, connection: sa.Connection) -> None:
        after = sa.select(_EVENTS).where(_EVENTS.c.position > self._position).order_by(_EVENTS.c.position)
        for row in connection.execute(after).mappings():
            self._state.apply(_event(row))
            self._position = row["position"]

    @contextmanager
    def _exclusive(self) -> Iterator[sa.Connection]:
        """Yield a connection in a transaction that overlaps no other one: positions are in the order of commits."""
        try:
            with self._engine.begin() as connection:
                if connection.dialect.name == "postgresql":
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
                yield connection
        except SQLAlchemyError as error:
            raise LesionlabError(f"the store {self._place} cannot be used: {_first_line(error)}") from error


def _url(address: str) -> sa.URL:
    if "://" not in address:
        return sa.URL.create("sqlite", database=address)  # a path may contain the special characters of URLs
    scheme, _, rest = address.partition("://")
    return sa.make_url(f"postgresql+psycopg://{rest}" if scheme in ("postgresql", "postgres") else address)


def _engine(url: sa.URL) -> sa.Engine:
    options: dict[str, Any] = {}
    if url.get_backend_name() == "sqlite":
        if url.database in (None, "", ":memory:"):
            options["poolclass"] = sa.pool.StaticPool
        options["connect_args"] = {"timeout": _BUSY_SECONDS, "check_same_thread": False}
    engine = sa.create_engine(url, **options)
    if engine.dialect.name == "sqlite":
        # The driver would begin a transaction at the first change only, and none for the definition of tables.
        sa.event.listen(engine, "connect", lambda opened, _: setattr(opened, "isolation_level", None))
        sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _migrate(connection: sa.Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _event(row: sa.RowMapping) -> Event:
    at = row["at"] if row["at"].tzinfo else row["at"].replace(tzinfo=UTC)  # SQLite has no time zones
    values = {name: row[name] for name in ("id", "kind", "lesion", "content")}
    return Event.model_validate({**values, "reader": row["reader"] or None, "at": at})


def _hidden(url: str) -> str:
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url.partition("://")[0] + "://..."


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    return str(cause).strip().split("\n", 1)[0]
