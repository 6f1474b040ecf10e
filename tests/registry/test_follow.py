"""A channel followed by a local copy: promotion, rollback, and versions or registries that cannot be used."""

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lesionlab.bundle import Bundle
from lesionlab.errors import LesionlabError, UsageError
from lesionlab.prediction import Predictor
from lesionlab.registry import Channel, FollowedChannel, Registry
from lesionlab.registry.store import ChannelVersion


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(str(tmp_path / "models"))


@pytest.fixture
def name_version(registry: Registry, tiny_whole_bundle: Path) -> Callable[[str], None]:
    """Return a function that lets the channel name a version, which is pushed if it is new; no criteria."""
    whole = Bundle.load(tiny_whole_bundle)

    def name(version: str) -> None:
        info = whole.info.model_copy(update={"created": f"2026-01-0{version}"})
        entry = registry.push(replace(whole, info=info), version=version)
        present = ChannelVersion(version=version, sha256=entry.sha256, since="2026-01-01", record=1)
        registry.save_channel("tiny", Channel(name="production", present=present))

    return name


@pytest.fixture
def followed(registry: Registry, tmp_path: Path) -> FollowedChannel:
    def load(path: Path) -> Predictor:
        return Predictor.load(path, threads=1)

    return FollowedChannel(registry.url, "tiny@production", tmp_path / "copy", load)


def created(followed: FollowedChannel) -> str:
    return followed.load().info.created


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records if record.name == "lesionlab.registry.follow"]
    caplog.clear()
    return found


def test_the_copy_follows_promotion_and_rollback(
    followed: FollowedChannel, name_version: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    name_version("1")
    assert created(followed) == "2026-01-01"
    followed.look()
    assert not followed.changed()
    for version in ("2", "1"):
        name_version(version)
        assert not followed.changed()
        followed.look()
        assert followed.changed()
        assert created(followed) == f"2026-01-0{version}"
        assert not followed.changed()
    assert messages(caplog) == []


def test_a_damaged_or_missing_version_is_reported_once(
    followed: FollowedChannel,
    name_version: Callable[[str], None],
    registry: Registry,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.INFO)
    name_version("1")
    followed.load()
    name_version("2")
    whole = (Path(registry.url) / "tiny/versions/2/bundle.zip").read_bytes()
    registry.write("tiny/versions/2/bundle.zip", b"damaged")
    for _ in range(3):
        followed.look()
    (message,) = messages(caplog)
    assert "channel tiny@production is not followed, and the present model stays" in message
    assert "was changed" in message
    assert (followed.changed(), created(followed)) == (False, "2026-01-01")
    name_version("3")
    os.remove(Path(registry.url) / "tiny/versions/3/entry.json")
    followed.look()
    assert "has the versions 1, 2, not 3" in messages(caplog)[0]
    # The same version is tried again after some minutes.
    registry.write("tiny/versions/2/bundle.zip", whole)
    name_version("2")
    monkeypatch.setattr("lesionlab.registry.follow._RETRY_SECONDS", 0.0)
    followed.look()
    assert messages(caplog) == ["channel tiny@production is followed again"]
    assert created(followed) == "2026-01-02"


def test_a_version_that_cannot_be_loaded_is_not_kept(
    registry: Registry, name_version: Callable[[str], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def load(path: Path) -> Predictor:
        predictor = Predictor.load(path, threads=1)
        if predictor.info.created == "2026-01-02":
            raise LesionlabError("this machine cannot run it")
        return predictor

    followed = FollowedChannel(registry.url, "tiny@production", tmp_path / "copy", load)
    name_version("1")
    followed.load()
    name_version("2")
    followed.look()
    assert "this machine cannot run it" in messages(caplog)[0]
    assert not followed.changed()


def test_a_registry_that_cannot_be_read_keeps_the_copy(
    followed: FollowedChannel,
    name_version: Callable[[str], None],
    registry: Registry,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    name_version("1")
    followed.load()
    Path(registry.url).rename(tmp_path / "elsewhere")
    followed.look()
    followed.look()
    (message,) = messages(caplog)
    assert "nothing was promoted to channel production of tiny" in message
    (tmp_path / "elsewhere").rename(registry.url)
    (tmp_path / "copy" / "bundle.zip").unlink()  # as programs do that clean temporary folders
    assert not followed.changed()
    followed.look()
    assert followed.changed()
    assert created(followed) == "2026-01-01"


def test_the_first_version_must_be_there(followed: FollowedChannel) -> None:
    with pytest.raises(UsageError, match="nothing was promoted to channel production of tiny"):
        followed.load()


@pytest.mark.parametrize("reference", ["tiny", "tiny@", "@production"])
def test_a_reference_names_a_channel(reference: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="write it like skin@production"):
        FollowedChannel(str(tmp_path), reference, tmp_path, Predictor.load)
