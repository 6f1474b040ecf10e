"""Tests of `lesionlab info`."""

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import onnxruntime
import pytest

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.bundle import BundleInfo, save_bundle
from lesionlab.cli import main


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["lesionlab", "info", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        main()
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return int(left.value.code or 0), captured.out, captured.err


def test_json_describes_installation_and_model(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    tiny_bundle: Path,
    tiny_info: BundleInfo,
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "weights").write_bytes(bytes(3_000))
    monkeypatch.setenv("LESIONLAB_CACHE", str(tmp_path))
    code, out, err = run(monkeypatch, capsys, "--model", tiny_bundle, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["lesionlab"] == __version__
    assert found["python"] == platform.python_version()
    assert found["onnxruntime"] == onnxruntime.__version__
    assert found["cache"] == {"path": str(tmp_path), "bytes": 3_000}
    assert found["extras"]["parquet"] is True
    model = found["model"]
    assert model.pop("identity") == tiny_info.identity
    assert model.pop("bytes") == (tiny_bundle / "model.onnx").stat().st_size
    assert model.pop("path") == str(tiny_bundle)
    assert (model.pop("explainable"), model.pop("abstains")) == (False, False)
    assert BundleInfo.model_validate(model) == tiny_info


def test_text_explains_the_numbers(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    tiny_bundle: Path,
    tiny_info: BundleInfo,
    tiny_graph: bytes,
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = run(monkeypatch, capsys, "--model", tiny_bundle)
    assert code == 0
    for words in (
        tiny_info.identity,
        "mel, nv, bcc, akiec, bkl, df, vasc",
        "squashed to 64x64, bilinear",
        "temperature 1.500 on 200 images",
        "sensitivity 0.951, specificity 0.620, PPV 0.370, NPV 0.980 at prevalence 0.195 (validation)",
        "balanced_accuracy: 0.500 (0.400 to 0.600)",
        "train: 700 images of 500 lesions",
        "by lesion",
        "CC-BY-NC-4.0",
        RESEARCH_ONLY,
    ):
        assert words in out
    leaky = tiny_info.training_data.model_copy(update={"leaky": True, "lesions_known": False})
    changes = {"training_data": leaky, "metrics": {}, "operating_points": ()}
    save_bundle(tmp_path / "leaky", tiny_info.model_copy(update=changes), tiny_graph)
    _, out, _ = run(monkeypatch, capsys, "--model", tmp_path / "leaky")
    assert "LEAKY" in out
    assert "does not identify lesions" in out


@pytest.mark.slow
def test_text_lists_the_capabilities_of_a_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny_bundle: Path, tiny_whole_bundle: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "200")

    def row(bundle: Path, name: str) -> str:
        _, out, _ = run(monkeypatch, capsys, "--model", bundle)
        (line,) = [line for line in out.splitlines() if line.split()[:1] == [name]]
        return line.removeprefix(name).strip()

    assert [row(tiny_bundle, name) for name in ("explainable", "abstains")] == ["no", "no"]
    assert row(tiny_whole_bundle, "explainable") == "class activation map"
    assert row(tiny_whole_bundle, "abstains") == "too small, too dark, too bright, nearly uniform"
    _, out, _ = run(monkeypatch, capsys, "--model", tiny_whole_bundle)
    words = " ".join(out.split())
    assert "do not hold within one source. AUC for malignancy: 0.900 (0.850 to 0.950) over all images" in words
    assert "clinic A 60 5 0.500 (0.400 to 0.600)" in words
    assert "histo 70 5 0.500" in words
    assert row(tiny_whole_bundle, "evaluation").startswith(
        "test subset of made-up, 2025-01-31: 100 images of 75 lesions"
    )


def test_binary_model_names_its_target(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tiny_binary_bundle: Callable[[str], Path]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, out, _ = run(monkeypatch, capsys, "--model", tiny_binary_bundle("melanoma"))
    assert code == 0
    assert "other, mel" in out
    assert "95% sensitivity: P(melanoma) >= 0.080 gives" in out
    assert "malignant" not in out


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_damaged_model_is_reported_beside_the_installation(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    tiny_bundle: Path,
    options: list[str],
) -> None:
    shutil.copytree(tiny_bundle, tmp_path / "b")
    (tmp_path / "b" / "model.onnx").write_bytes(b"half")
    code, out, err = run(monkeypatch, capsys, "--model", tmp_path / "b", *options)
    assert code == 1
    assert err.startswith(f"error: {tmp_path / 'b'}: model.onnx is damaged")
    assert len(err.splitlines()) == 1
    assert __version__ in out
    if options:
        assert json.loads(out)["model"] is None
    assert run(monkeypatch, capsys, "--model", tmp_path / "missing")[0] == 2


@pytest.mark.slow
def test_loads_no_framework(tiny_bundle: Path) -> None:
    code = (
        "import atexit, sys; from lesionlab.cli import main;"
        "atexit.register(lambda: print({'torch', 'onnxruntime'} & set(sys.modules), file=sys.stderr));"
        "main()"
    )
    command = [sys.executable, "-c", code, "info", "--model", str(tiny_bundle)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == "set()\n"
