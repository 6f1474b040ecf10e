"""A server on this machine."""

from collections.abc import Iterator

import pytest

from tests.data.fetch.server import FileServer, running_server


@pytest.fixture
def server() -> Iterator[FileServer]:
    with running_server() as server:
        yield server
