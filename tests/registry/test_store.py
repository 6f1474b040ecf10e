"""The files of a registry: versions, hashes, channels; in a folder and at a URL."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest

from lesionlab.bundle import Bundle
from lesionlab.errors import DataError, LesionlabError, UsageError
from lesionlab.registry import Channel, Registry
from lesionlab.registry.store import ChannelVersion, copy_bundle

Renamed = Callable[[str], Bundle]


@pytest.fixture(params=["folder", "memory"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Registry:
    if request.param == "folder":
        return Registry(str(tmp_path / "models"))
    fsspec.filesystem("memory").store.clear()
    return Registry("memory://bucket/models")


@pytest.fixture
def renamed(tiny_whole_bundle: Path) -> Renamed:
    whole = Bundle.load(tiny_whole_bundle)
    return lambda date: replace(whole, info=whole.info.model_copy(update={"created": date}))


def test_a_version_is_pushed_once_and_pulled_unchanged(registry: Registry, renamed: Renamed, tmp_path: Path) -> None:
    first, second = renamed("2026-01-01"), renamed("2026-02-02")
    entry = registry.push(first)
    assert (entry.name, entry.version, entry.identity) == ("tiny", "1", first.info.identity)
    assert registry.push(first, version="1") == entry
    assert registry.push(second).version == "2"
    assert registry.push(first, version="2.1-rc").version == "2.1-rc"
    with pytest.raises(UsageError, match="tiny@1 exists and is"):
        registry.push(second, version="1")
    assert registry.names() == ["tiny"]
    assert [found.version for found in registry.entries("tiny")] == ["1", "2", "2.1-rc"]
    assert registry.find("tiny").version == "2.1-rc"
    with registry.opened(registry.find("tiny@2")) as bundle:
        copy_bundle(bundle, tmp_path / "pulled")
    pulled = Bundle.load(tmp_path / "pulled")
    assert (pulled.info, pulled.graph, pulled.evaluation) == (second.info, second.graph, second.evaluation)


def test_a_changed_or_incomplete_version_is_not_used(registry: Registry, renamed: Renamed) -> None:
    entry = registry.push(renamed("2026-01-01"))
    registry.write("tiny/versions/2/bundle.zip", b"a push that was killed")
    assert [found.version for found in registry.entries("tiny")] == ["1"]
    assert registry.push(renamed("2026-02-02")).version == "2"
    registry.write("tiny/versions/1/bundle.zip", b"another")
    with pytest.raises(DataError, match="was changed: its hash is not that of its entry"), registry.opened(entry):
        pass
    registry.write("tiny/versions/1/entry.json", b"{}")
    with pytest.raises(DataError, match=r"entry\.json is damaged"):
        registry.entries("tiny")


def test_a_channel_names_a_version(registry: Registry, renamed: Renamed) -> None:
    entry = registry.push(renamed("2026-01-01"))
    registry.push(renamed("2026-02-02"))
    with pytest.raises(UsageError, match="nothing was promoted to channel production"):
        registry.find("tiny@production")
    named = ChannelVersion(version="1", sha256=entry.sha256, since="2026-01-01", record=1)
    registry.save_channel("tiny", Channel(name="production", present=named))
    assert registry.find("tiny@production") == entry
    assert [channel.name for channel in registry.channels("tiny")] == ["production"]


@pytest.mark.parametrize(
    ("reference", "message"),
    [("other", "has no model other; it has tiny"), ("tiny@7", "tiny has the versions 1, not 7"), ("../x", "name")],
)
def test_a_missing_version_is_reported(registry: Registry, renamed: Renamed, reference: str, message: str) -> None:
    registry.push(renamed("2026-01-01"))
    with pytest.raises(UsageError, match=message):
        registry.find(reference)


@pytest.mark.parametrize(("name", "version"), [("a/b", None), (".a", None), (None, "v1"), (None, "1/2")])
def test_names_cannot_leave_their_folder(
    renamed: Renamed, name: str | None, version: str | None, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="use letters, digits"):
        Registry(str(tmp_path)).push(renamed("2026-01-01"), name=name, version=version)
    assert list(tmp_path.iterdir()) == []


def test_an_address_without_its_package_is_reported() -> None:
    with pytest.raises(LesionlabError, match="nosuch"):
        Registry("nosuch://bucket/models")
