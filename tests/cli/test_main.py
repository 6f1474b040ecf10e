"""Properties of all commands: exit codes, errors in one line, and lazy imports."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.phantoms import write_phantoms

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
    "reproduce",
)
FRAMEWORKS = {"torch", "timm", "pytorch_lightning", "pandas", "sklearn", "scipy", "matplotlib", "onnxruntime", "onnx"}


def test_version_and_help(cli: Callable[..., Any]) -> None:
    assert (cli("--version").code, cli("--version").out) == (0, f"lesionlab {__version__}\n")
    shown = cli("--help")
    assert shown.code == 0
    assert RESEARCH_ONLY in " ".join(shown.out.replace("│", " ").split())
    for command in COMMANDS:
        assert command in shown.out
        assert cli(command, "-h").code == 0
    assert "lesionlab" in cli().out + cli().err


@pytest.mark.parametrize("arguments", [["diagnose"], ["train"], ["train", "x", "--colour", "red"], ["--colour"]])
def test_wrong_usage_exits_with_2(cli: Callable[..., Any], arguments: list[str]) -> None:
    done = cli(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["recipes", "no-such-recipe"], 2, "error: no recipe is called 'no-such-recipe'"),
        (["data", "check", "nowhere"], 2, "error: nowhere: there is no such file or folder"),
        (["evaluate", "--model", "nowhere"], 2, "error: --model nowhere: there is no such file or folder"),
        (["export", "nowhere"], 2, "error: nowhere: there is no such file or folder"),
        (["train", "phantom-demo", "--data", "nowhere"], 2, "error: --data nowhere: there is no such file or folder"),
        (["predict", "nowhere.jpg"], 2, "error: nowhere.jpg: there is no such file"),
    ],
)
def test_expected_error_is_one_line(
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
    ("arguments", "missing", "extra"),
    [
        (["train", "phantom-demo", "--data", "."], "pytorch_lightning", "train"),
        (["export", "."], "onnxscript", "train"),
        (["evaluate"], "tomli_w", "evaluate"),
        (["compare", ".", "."], "jinja2", "evaluate"),
        (["card"], "matplotlib", "evaluate"),
        (["demo", "--out", "x"], "matplotlib", "train"),
    ],
)
def test_missing_extra_is_one_line_with_the_install_command(
    cli: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    missing: str,
    extra: str,
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else find(name))
    monkeypatch.chdir(tmp_path)
    done = cli(*arguments)
    command = arguments[0]
    assert done.code == 1
    needs = f"needs the package {missing} of the extra '{extra}': pip install 'lesionlab[{extra}]'"
    assert done.err == f"error: lesionlab {command} {needs}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("module", ["lesionlab", "lesionlab.cli.main", "lesionlab.recipes", "lesionlab.data"])
def test_import_loads_no_framework(module: str) -> None:
    code = f"import sys, {module}; print(sorted({FRAMEWORKS!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", ["evaluate", *(pytest.param(one, marks=pytest.mark.slow) for one in ("compare", "card"))]
)
def test_evaluation_commands_load_no_training_framework(command: str, tmp_path: Path, tiny_bundle: Path) -> None:
    predictions = tmp_path / "predictions.csv"
    predictions.write_text("image_id,lesion_id,diagnosis,predicted,p_other,p_mel\na,a,mel,mel,0.2,0.8\n")
    write_phantoms(tmp_path / "data", lesions=7, size=(64, 48))
    arguments: dict[str, list[object]] = {
        "evaluate": ["--data", tmp_path / "data", "--out", tmp_path / "out"],
        "compare": [predictions, predictions],
        "card": [],
    }
    code = (
        f"import atexit, sys; from lesionlab.cli import main; heavy = {FRAMEWORKS - {'matplotlib', 'onnxruntime'}};"
        "atexit.register(lambda: print(heavy & set(sys.modules), file=sys.stderr));"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, command, *map(str, arguments[command])],
        env=os.environ | {"LESIONLAB_MODEL": str(tiny_bundle)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "set()\n")


@pytest.mark.slow
def test_package_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "lesionlab", "zzz"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "zzz" in done.stderr
    assert done.stdout == ""
