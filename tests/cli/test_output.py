"""Output of every command in narrow terminals, other encodings, and to a full or closed standard output."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from lesionlab.cli.main import application
from lesionlab.data import Manifest
from lesionlab.recipes import recipe_names
from lesionlab.runs import RunFolder

BINARY = "image_id,lesion_id,diagnosis,predicted,p_other,p_mel\n" + "".join(
    f"{i},{i},{'mel' if i % 2 else 'nv'},{'mel' if i % 3 else 'other'},{0.4 + i / 100},{0.6 - i / 100}\n"
    for i in range(20)
)
TINY = ("--set", "model.backbone=test_efficientnet", "--set", "model.pretrained=false", "--set", "input.size=32",
        "--epochs", "1", "--set", "training.batch_size=16")  # fmt: skip
ENVIRONMENTS = {
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "ascii": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "narrow": {"COLUMNS": "40", "FORCE_COLOR": "1"},
}
FAST = (
    "predict",
    "predict-table",
    "predict-csv",
    "data check",
    "data fetch",
    "data split",
    "recipes",
    "recipe",
    "card",
    "info",
    "compare",
    "drift",
)
SLOW = (
    "evaluate",
    "explain",
    "build-web",
    "segment measure",
    "label simulate",
    "label import",
    "data duplicates",
    "data label-issues",
    "data report",
    "data mini",
    "data export-hmnist",
    "export",
    "convert",
    "calibrate",
)
TRAINING = (
    "train",
    "find-lr",
    "fuse",
    "cross-validate",
    "tune",
    "reproduce",
    "segment train",
    "check-explanations",
    "demo",
    "serve",
    "label serve",
    "label agreement",
    "label export",
    "data import-hmnist",
    "import",
)
# Of tests/cli/test_registry.py, since each needs a registry.
REGISTRY = ("registry push", "registry list", "registry pull", "registry promote", "registry rollback", "registry hub")


@pytest.fixture
def commands(phantoms: Manifest, tiny_run: RunFolder, tmp_path: Path) -> dict[str, list[object]]:
    """Return a working call of each command, in a folder with names outside ASCII."""
    folder = tmp_path / "Läsion 黒"
    folder.mkdir()
    image = folder / "Läsion 黒.jpg"
    image.write_bytes(Path(phantoms.location(phantoms.records[0])).read_bytes())
    for name in ("a.csv", "b.csv"):
        (folder / name).write_text(BINARY)
    run = Path(shutil.copytree(tiny_run.path, folder / "run"))  # `evaluate` writes into its bundle
    model = ["--model", run]
    out = ["--out", folder / "out"]
    manifest = tiny_run.manifest()
    validation = [manifest.location(record) for record in manifest.select(tiny_run.split().subsets()["validation"])]
    return {
        "predict": ["predict", image, *model],
        "predict-table": ["predict", image, *validation[:2], *model],
        "predict-csv": ["predict", image, *model, "--format", "csv"],
        "evaluate": ["evaluate", *model, *out],
        "compare": ["compare", folder / "a.csv", folder / "b.csv"],
        "explain": ["explain", image, "--model", run / "bundle", *out, "--no-stability"],
        "build-web": ["build-web", *model, *out],
        "data fetch": ["data", "fetch", "isic2019", *out, "--dry-run"],
        "data check": ["data", "check", phantoms.root],
        "data split": ["data", "split", phantoms.root, *out],
        "data duplicates": ["data", "duplicates", phantoms.root, *out, *model],
        "data label-issues": ["data", "label-issues", phantoms.root, *out, "--features", "model", *model],
        "data report": ["data", "report", phantoms.root, "--out", folder / "report.html"],
        "data mini": ["data", "mini", phantoms.root, *out, "--images", 20],
        "data export-hmnist": ["data", "export-hmnist", phantoms.root, *out],
        "label simulate": [
            "label",
            "simulate",
            phantoms.root,
            *out,
            *model,
            "--start",
            20,
            "--budget",
            30,
            "--seeds",
            1,
        ],
        "label import": [
            *("label", "import", phantoms.root, phantoms.root / "HAM10000_metadata.csv"),
            *("--store", folder / "labels.sqlite", "--reader", "Läser"),
        ],
        "segment measure": ["segment", "measure", image, *out],
        "export": ["export", run, *out],
        "convert": ["convert", *model, "--to", "onnx-fp16", *out],
        "calibrate": ["calibrate", *model, "--data", phantoms.root, *out],
        "recipes": ["recipes"],
        "recipe": ["recipes", "phantom-demo"],
        "card": ["card", *model],
        "drift": ["drift", *validation, *model],
        "info": ["info", *model],
    }


def start(arguments: list[object], redirect: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "lesionlab", *map(str, arguments)]
    if redirect:
        command = ["bash", "-c", f'"$@" {redirect}', "bash", *command]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, check=False)


def only_the_first_is_fast(*names: str) -> list[Any]:
    first, *others = names
    return [first, *(pytest.param(name, marks=pytest.mark.slow) for name in others)]


def test_every_command_is_covered() -> None:
    root = typer.main.get_command(application())
    names = set()
    for name, command in getattr(root, "commands", {}).items():
        inner = getattr(command, "commands", None)
        names |= {f"{name} {one}" for one in inner} if inner else {name}
    covered = {*FAST, *SLOW, *TRAINING, *REGISTRY} - {"predict-table", "predict-csv", "recipe"}
    assert covered == names


@pytest.mark.parametrize("environment", only_the_first_is_fast(*ENVIRONMENTS))
@pytest.mark.parametrize("name", only_the_first_is_fast(*FAST, *SLOW))
def test_any_encoding_and_width(commands: dict[str, list[object]], name: str, environment: str) -> None:
    done = start(commands[name], **ENVIRONMENTS[environment])
    if name == "convert" and b"error: not accepted: onnx-fp16: latency is" in done.stderr:
        done.returncode = 0  # the latency of a network this small is noise, and may exceed the limit
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr


@pytest.mark.slow
def test_result_is_complete_in_another_encoding(commands: dict[str, list[object]]) -> None:
    utf8 = start(commands["predict"], PYTHONIOENCODING="utf-8").stdout
    cp1252 = start(commands["predict"], PYTHONIOENCODING="cp1252").stdout
    assert "█".encode() in utf8
    assert b"#" in cp1252
    assert len(cp1252.splitlines()) == len(utf8.splitlines())


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("name", only_the_first_is_fast(*FAST))
def test_full_standard_output_is_one_line(commands: dict[str, list[object]], name: str, unbuffered: str) -> None:
    done = start(commands[name], "> /dev/full", PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 1
    assert done.stderr == b"error: cannot write to standard output: No space left on device\n"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
@pytest.mark.parametrize("name", only_the_first_is_fast(*FAST))
def test_closed_standard_output_is_no_error(commands: dict[str, list[object]], name: str) -> None:
    done = start(commands[name], ">&-")
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", ["predict --help", "zzz"])
@pytest.mark.parametrize("environment", ["cp1252", "narrow"])
def test_help_and_usage_errors_in_any_encoding(command: str, environment: str) -> None:
    done = start([*command.split()], **ENVIRONMENTS[environment])
    assert (done.returncode, b"Traceback" in done.stderr) == (2 * (command == "zzz"), False), done.stderr


@pytest.mark.slow
def test_training_in_another_encoding(phantoms: Manifest, tmp_path: Path) -> None:
    arguments: list[object] = [
        "train",
        "phantom-demo",
        "--data",
        phantoms.root,
        "--out",
        tmp_path / "Läsion 黒",
        *TINY,
    ]
    done = start(arguments, PYTHONIOENCODING="ascii", COLUMNS="40")
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("columns", ["40", "80"])
def test_names_are_never_shortened(columns: str) -> None:
    listed = start(["recipes"], COLUMNS=columns, PYTHONIOENCODING="utf-8").stdout.decode()
    assert [line.split()[0] for line in listed.splitlines() if not line.startswith(" ")] == recipe_names()
    assert "…" not in listed


@pytest.mark.slow
def test_json_is_ascii(tiny_bundle: Path) -> None:
    done = start(["info", "--model", tiny_bundle, "--json"], PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout.decode("ascii"))["model"]["identity"].startswith("tiny@")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_interrupt_exits_with_130() -> None:
    code = (
        "import lesionlab.cli.recipes, sys\n"
        "def stop(*_): raise KeyboardInterrupt\n"
        "lesionlab.cli.recipes.show = stop\n"
        "sys.argv = ['lesionlab', 'recipes']\n"
        "from lesionlab.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (130, b"")
