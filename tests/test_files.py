"""Files appear whole or not at all."""

import errno
import hashlib
import json
import os
import stat
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.errors import LesionlabError
from lesionlab.files import (
    cache_folder,
    replacing,
    sha256_of_file,
    sha256_of_json,
    write_json,
    write_text,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_writes_complete_files_and_creates_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "note.txt"
    write_text(path, "Nävus\r\n")
    assert path.read_bytes() == "Nävus\r\n".encode()
    write_json(path, {"é": [1, None]})
    assert json.loads(path.read_text(encoding="utf-8")) == {"é": [1, None]}
    with replacing(path, binary=True) as stream:
        stream.write(b"\0\1")
    assert path.read_bytes() == b"\0\1"
    assert [entry.name for entry in path.parent.iterdir()] == ["note.txt"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere there is no umask")
def test_results_have_ordinary_permissions(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "note.txt", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "note.txt").stat().st_mode) == 0o640


@pytest.mark.parametrize("existing", [None, "before"])
def test_error_keeps_the_existing_file(tmp_path: Path, existing: str | None) -> None:
    path = tmp_path / "note.txt"
    if existing is not None:
        path.write_text(existing)
    with pytest.raises(KeyError), replacing(path) as stream:
        stream.write("half")
        raise KeyError
    assert [entry.read_text() for entry in tmp_path.iterdir()] == ([] if existing is None else [existing])


def test_full_disk_is_reported_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LesionlabError, match=r"cannot write .*note\.txt: No space left on device\. Free some space"):
        write_text(tmp_path / "note.txt", "x")
    assert list(tmp_path.iterdir()) == []


def test_obstacle_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LesionlabError, match=r"cannot write .*file/note\.txt"):
        write_text(tmp_path / "file" / "note.txt", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(LesionlabError, match="a folder of this name exists"):
        write_text(tmp_path / "folder", "x")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.skipif(sys.platform != "linux", reason="the device is Linux's")
def test_device_is_written_and_not_replaced() -> None:
    write_text(Path("/dev/null"), "x")
    assert Path("/dev/null").is_char_device()
    with pytest.raises(LesionlabError, match="cannot write /dev/full: No space left"):
        write_text(Path("/dev/full"), "x" * 100_000)


def test_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5_000
    (tmp_path / "data").write_bytes(data)
    assert sha256_of_file(tmp_path / "data") == hashlib.sha256(data).hexdigest()


@given(st.dictionaries(st.text(), json_values, max_size=6), st.randoms(use_true_random=False))
def test_hash_of_json_is_that_of_its_content(value: dict[str, object], random: Random) -> None:
    keys = list(value)
    random.shuffle(keys)
    shuffled = {key: value[key] for key in keys}
    assert sha256_of_json(shuffled) == sha256_of_json(json.loads(json.dumps(value, indent=3))) == sha256_of_json(value)
    assert sha256_of_json([value]) != sha256_of_json(value)


def test_environment_variable_names_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LESIONLAB_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv("LESIONLAB_CACHE", "")
    assert cache_folder().name == "lesionlab"


def test_bytes_of_a_file_name_that_are_not_utf8_are_escaped(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "\udce4.jpg")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "\\udce4.jpg"
