"""Checkpoints are restored exactly, and pickles are never loaded."""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from lesionlab.errors import DataError, LesionlabError
from lesionlab.training.checkpoint import SafetensorsCheckpointIO, load_weights, save_tensors

tensors = st.builds(
    lambda shape, dtype: (torch.arange(1 + sum(shape)) + 0.5).to(dtype)[: max(1, sum(shape))].clone(),
    st.lists(st.integers(0, 3), max_size=3),
    st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.bool]),
)
scalars = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=8)
trees = st.recursive(
    scalars | tensors,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.integers(0, 9) | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and bool(a == b)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(tree=st.dictionaries(st.text(max_size=5), trees, max_size=4))
def test_any_state_is_restored(tmp_path: Path, tree: dict[str, Any]) -> None:
    io = SafetensorsCheckpointIO()
    io.save_checkpoint(tree, tmp_path / "c.safetensors")
    assert same(tree, io.load_checkpoint(tmp_path / "c.safetensors"))
    assert [entry.name for entry in tmp_path.iterdir()] == ["c.safetensors"]


def test_the_state_of_an_optimizer_is_restored(tmp_path: Path) -> None:
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    state = {"model": OrderedDict(layer.state_dict()), "optimizer": [optimizer.state_dict()], "betas": (0.9, 0.999)}
    io = SafetensorsCheckpointIO()
    io.save_checkpoint(state, tmp_path / "c")
    loaded = io.load_checkpoint(tmp_path / "c")
    assert same(state, loaded)
    torch.optim.AdamW(layer.parameters()).load_state_dict(loaded["optimizer"][0])
    io.remove_checkpoint(tmp_path / "c")
    io.remove_checkpoint(tmp_path / "c")
    assert list(tmp_path.iterdir()) == []


def test_an_unsupported_type_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"a checkpoint cannot hold \w*Path at /a/1"):
        SafetensorsCheckpointIO().save_checkpoint({"a": [1, tmp_path]}, tmp_path / "c")
    assert list(tmp_path.iterdir()) == []


class Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("executed"),))


@pytest.mark.parametrize("content", ["pickle", "torch", "empty", "cut", "json", "weights"])
def test_a_damaged_or_foreign_file_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "c.safetensors"
    io = SafetensorsCheckpointIO()
    io.save_checkpoint({"a": torch.ones(100)}, path)
    if content == "pickle":
        path.write_bytes(pickle.dumps(Payload()))
    elif content == "torch":
        torch.save({"a": Payload()}, path)
    elif content == "empty":
        path.write_bytes(b"")
    elif content == "cut":
        path.write_bytes(path.read_bytes()[:-50])
    elif content == "json":
        path.write_text("{}")
    else:
        save_tensors({"a": torch.ones(3)}, path)
    with pytest.raises(DataError, match=r"checkpoint .*c\.safetensors is damaged .*; remove the run folder"):
        io.load_checkpoint(path)
    if content != "weights":
        with pytest.raises(DataError, match=r"weights .*c\.safetensors cannot be read"):
            load_weights(path)
    assert not Path("executed").exists()


def test_weights_are_restored_and_written_deterministically(tmp_path: Path) -> None:
    state = {"b": torch.rand(3, 2), "a": torch.rand(4).view(2, 2).T}
    save_tensors(state, tmp_path / "one", {"epoch": "3"})
    save_tensors(dict(reversed(state.items())), tmp_path / "two", {"epoch": "3"})
    loaded = load_weights(tmp_path / "one")
    assert same(state, {name: loaded[name] for name in state})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with pytest.raises(DataError, match="three cannot be read"):
        load_weights(tmp_path / "three")
    (tmp_path / "file").touch()
    with pytest.raises(LesionlabError, match="cannot write"):
        save_tensors(state, tmp_path / "file" / "c")
