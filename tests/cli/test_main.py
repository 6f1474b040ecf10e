"""What holds for every command: exit codes, errors in one line, and a quick start."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lesionlab import RESEARCH_ONLY, __version__

COMMANDS = (
    "predict",
    "train",
    "evaluate",
    "export",
    "data",
    "recipes",
    "info",
    "demo",
    "serve",
    "compare",
    "benchmark",
)
FRAMEWORKS = {"torch", "timm", "pytorch_lightning", "pandas", "sklearn", "scipy", "matplotlib", "onnxruntime", "onnx"}


def test_the_version_and_the_help(cli: Callable[..., Any]) -> None:
    assert (cli("--version").code, cli("--version").out) == (0, f"lesionlab {__version__}\n")
    shown = cli("--help")
    assert shown.code == 0
    assert RESEARCH_ONLY in " ".join(shown.out.replace("│", " ").split())
    for command in COMMANDS:
        assert command in shown.out
        assert cli(command, "-h").code == 0
    assert "lesionlab" in cli().out + cli().err


@pytest.mark.parametrize("arguments", [["diagnose"], ["train"], ["train", "x", "--colour", "red"], ["--colour"]])
def test_wrong_use_leaves_with_two(cli: Callable[..., Any], arguments: list[str]) -> None:
    done = cli(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["recipes", "no-such-recipe"], 2, "error: no recipe is called 'no-such-recipe'"),
        (["data", "check", "nowhere"], 1, "error: nowhere: no such folder"),
        (["evaluate", "nowhere"], 1, "error: nowhere"),
        (["export", "nowhere"], 1, "error: nowhere is not a run folder"),
        (["train", "phantom-demo", "--data", "nowhere"], 1, "error: nowhere: no such folder"),
        (["predict", "nowhere.jpg"], 2, "error: nowhere.jpg: there is no such file"),
    ],
)
def test_an_error_is_one_line(
    cli: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli(*arguments)
    assert done.code == code
    assert done.err.startswith(message)
    assert len(done.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (["train", "phantom-demo", "--data", "x"], "pytorch_lightning"),
        (["export", "x"], "onnxscript"),
        (["evaluate", "x"], "jinja2"),
        (["demo", "--out", "x"], "matplotlib"),
    ],
)
def test_a_missing_extra_is_one_line_with_the_command_that_installs_it(
    cli: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    missing: str,
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else find(name))
    monkeypatch.chdir(tmp_path)
    done = cli(*arguments)
    command = arguments[0]
    assert done.code == 1
    assert done.err == f"error: lesionlab {command} needs the extra 'train': pip install 'lesionlab[train]'\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("module", ["lesionlab", "lesionlab.cli.main", "lesionlab.recipes", "lesionlab.data"])
def test_importing_loads_no_framework(module: str) -> None:
    code = f"import sys, {module}; print(sorted({FRAMEWORKS!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "lesionlab", "zzz"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "zzz" in done.stderr
    assert done.stdout == ""
