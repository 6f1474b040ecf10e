"""Fixtures: starting weights, and a simulated kill at a given call."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

KillAtCall = Callable[[object, str, int], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Substitute weights for a pretrained start; return their folder."""
    folder = tmp_path_factory.mktemp("imagenet")
    torch.manual_seed(77)
    save_file(timm.create_model("test_efficientnet").state_dict(), folder / "test_efficientnet.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LESIONLAB_WEIGHTS", str(folder))
        yield folder


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that is almost full; removing `other data` frees a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", "size=1200k", "tmpfs", str(folder)]
    if mount is None or subprocess.run([mount, *options], check=False, capture_output=True).returncode:
        pytest.skip("a file system can be mounted by root only")
    try:
        with suppress(OSError), (folder / "other data").open("wb", buffering=0) as stream:
            while stream.write(bytes(4096)):
                pass
        os.truncate(folder / "other data", (folder / "other data").stat().st_size - 16 * 1024)
        yield folder
    finally:
        subprocess.run([mount.replace("mount", "umount"), str(folder)], check=True)


class _ProcessEnded(BaseException):
    """Simulates the end of the process."""


@pytest.fixture
def kill_at_call() -> KillAtCall:
    """Return a context in which the n-th call of an owner's function ends the process."""

    @contextmanager
    def cut(owner: object, name: str, at_call: int) -> Iterator[None]:
        function = getattr(owner, name)
        calls = 0

        def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == at_call:
                raise _ProcessEnded
            return function(*arguments, **options)

        with pytest.MonkeyPatch.context() as patch, pytest.raises(_ProcessEnded):
            patch.setattr(owner, name, counted)
            yield

    return cut
