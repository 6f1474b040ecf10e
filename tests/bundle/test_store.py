"""Bundles come back as they were written, or are refused with the reason."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lesionlab.bundle import Bundle, BundleInfo, default_bundle_path, save_bundle
from lesionlab.errors import BundleError, LesionlabError
from lesionlab.files import sha256_of_json
from lesionlab.taxonomy import CODES, TASKS


@pytest.mark.parametrize("name", ["folder", "file.zip"])
def test_round_trip(tmp_path: Path, tiny_info: BundleInfo, tiny_graph: bytes, name: str) -> None:
    path = tmp_path / "new" / name
    save_bundle(path, tiny_info, tiny_graph)
    for place in (path, str(path)):
        bundle = Bundle.load(place)
        assert bundle.info == tiny_info
        assert bundle.graph == tiny_graph
    assert [entry.name for entry in path.parent.iterdir()] == [name]


@pytest.mark.parametrize("task", ["malignant", "melanoma"])
def test_a_binary_model_has_a_bundle(tiny_binary_bundle: Callable[[str], Path], task: str) -> None:
    info = Bundle.load(tiny_binary_bundle(task)).info
    assert (info.task, info.classes) == (task, TASKS[task].classes)
    assert info.target == task
    np.testing.assert_allclose(info.calibration.probabilities(np.array([[4.75, 0.0]])), [[0.5, 0.5]])


def test_offsets_are_one_for_each_class_or_none(tiny_info: BundleInfo) -> None:
    def with_offsets(*offsets: float) -> BundleInfo:
        calibration = tiny_info.calibration.model_dump() | {"offsets": offsets}
        return BundleInfo.model_validate(tiny_info.model_dump() | {"calibration": calibration})

    logits = np.arange(7.0)[None]
    without, zeros = with_offsets().calibration, with_offsets(*[0.0] * 7).calibration
    np.testing.assert_array_equal(without.probabilities(logits), zeros.probabilities(logits))
    with pytest.raises(ValidationError, match="offsets has 2 numbers for 7 classes"):
        with_offsets(0.0, 0.0)


def test_the_same_bundle_is_the_same_zip_file(tmp_path: Path, tiny_info: BundleInfo, tiny_graph: bytes) -> None:
    for name in ("a.zip", "b.zip"):
        save_bundle(tmp_path / name, tiny_info, tiny_graph)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


@pytest.mark.parametrize("name", ["folder", "file.zip"])
def test_optional_files_survive_a_round_trip(tmp_path: Path, tiny_whole_bundle: Path, name: str) -> None:
    whole = Bundle.load(tiny_whole_bundle)
    assert whole.reference is not None
    assert whole.evaluation is not None
    assert (whole.explainable, whole.abstains) == (True, True)
    path = tmp_path / name
    returned = save_bundle(path, whole.info, whole.graph, reference=whole.reference, evaluation=whole.evaluation)
    again = Bundle.load(path)
    assert returned.info == again.info == whole.info
    assert again.evaluation == whole.evaluation
    assert again.reference is not None
    assert again.reference.to_bytes() == whole.reference.to_bytes()
    # Saved without them, they are gone, and the description does not promise them any more.
    plain = save_bundle(path, whole.info, whole.graph)
    assert (plain.info.reference_sha256, plain.info.evaluation_sha256) == (None, None)
    assert (Bundle.load(path).explainable, Bundle.load(path).abstains, Bundle.load(path).evaluation) == (
        False,
        False,
        None,
    )
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_optional_files_may_be_missing(tmp_path: Path, tiny_bundle: Path) -> None:
    path = tmp_path / "old"
    shutil.copytree(tiny_bundle, path)
    content = json.loads((path / "bundle.json").read_text())
    for key in ("reference_sha256", "evaluation_sha256", "content_sha256"):
        del content[key]
    content["content_sha256"] = sha256_of_json(content)
    (path / "bundle.json").write_text(json.dumps(content))
    old = Bundle.load(path)
    assert old.info == Bundle.load(tiny_bundle).info
    assert (old.reference, old.evaluation, old.explainable, old.abstains) == (None, None, False, False)


def test_a_run_folder_can_be_loaded(tmp_path: Path, tiny_bundle: Path) -> None:
    shutil.copytree(tiny_bundle, tmp_path / "run" / "bundle")
    assert Bundle.load(tmp_path / "run").info.name == "tiny"


def test_the_environment_names_the_default(monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path) -> None:
    monkeypatch.setenv("LESIONLAB_MODEL", str(tiny_bundle))
    assert default_bundle_path() == tiny_bundle
    assert Bundle.load().info.name == "tiny"
    monkeypatch.delenv("LESIONLAB_MODEL")
    assert default_bundle_path().parts[-3:] == ("lesionlab", "models", "default")


def test_the_identity_is_that_of_the_graph(tiny_bundle: Path) -> None:
    info = Bundle.load(tiny_bundle).info
    changed = info.model_copy(update={"metrics": {}})
    assert changed.identity == info.identity == f"tiny@{info.graph_sha256[:12]}"


def test_an_old_bundle_is_replaced_and_nothing_else(tmp_path: Path, tiny_info: BundleInfo, tiny_graph: bytes) -> None:
    save_bundle(tmp_path / "b", tiny_info, tiny_graph)
    save_bundle(tmp_path / "b", tiny_info.model_copy(update={"licence": "other"}), tiny_graph)
    assert Bundle.load(tmp_path / "b").info.licence == "other"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(BundleError, match="is not a bundle"):
        save_bundle(tmp_path / "mine", tiny_info, tiny_graph)
    assert (tmp_path / "mine" / "thesis.txt").exists()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["b", "mine"]


def test_a_destination_that_cannot_be_written_is_named(
    tmp_path: Path, tiny_info: BundleInfo, tiny_graph: bytes
) -> None:
    (tmp_path / "file").touch()
    for name in ("b", "b.zip"):
        with pytest.raises(LesionlabError, match="cannot write"):
            save_bundle(tmp_path / "file" / name, tiny_info, tiny_graph)


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def swap(path: Path, name: str, data: bytes) -> None:
    """Replace a file of a bundle by one that is what the description says, and yet is wrong."""
    (path / name).write_bytes(data)
    content = json.loads((path / "bundle.json").read_text())
    del content["content_sha256"]
    content[f"{name.partition('.')[0]}_sha256"] = hashlib.sha256(data).hexdigest()
    (path / "bundle.json").write_text(json.dumps(content | {"content_sha256": sha256_of_json(content)}))


def evaluation_of(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((path / "evaluation.json").read_text())
    return content


DAMAGE: list[tuple[str, Callable[[Path], object], str]] = [
    ("a byte of the graph", lambda b: flip(b / "model.onnx", 700), r"model.onnx is damaged or was replaced \(SHA-256"),
    (
        "no graph",
        lambda b: (b / "model.onnx").unlink(),
        "has no model.onnx; `lesionlab train` and `lesionlab export` write bundles",
    ),
    ("no description", lambda b: (b / "bundle.json").unlink(), "has no bundle.json"),
    ("not JSON", lambda b: (b / "bundle.json").write_text("{"), "bundle.json is damaged: it is not a JSON object"),
    ("a list", lambda b: (b / "bundle.json").write_text("[]"), "bundle.json is damaged"),
    ("a number", lambda b: (b / "bundle.json").write_text("7"), "bundle.json is damaged"),
    (
        "earlier schema",
        lambda b: edit(b / "bundle.json", schema_version=1),
        r"schema version 1, and this lesionlab reads version 2; export it again .* with `lesionlab export RUN`$",
    ),
    ("unknown key", lambda b: edit(b / "bundle.json", colour="red"), "not valid at colour"),
    ("other classes", lambda b: edit(b / "bundle.json", classes=["nv", "mel"]), "classes are"),
    (
        "another task",
        lambda b: edit(b / "bundle.json", task="melanoma"),
        r"those of task melanoma are \('other', 'mel'\)",
    ),
    ("unknown task", lambda b: edit(b / "bundle.json", task="age"), "not valid at task"),
    ("edited by hand", lambda b: edit(b / "bundle.json", licence="mine"), "damaged or was edited by hand"),
    ("no checksum", lambda b: edit(b / "bundle.json", content_sha256=None), "damaged or was edited by hand"),
    ("gone", shutil.rmtree, "does not exist"),
    ("a byte of the reference", lambda b: flip(b / "reference.npz", 50), r"reference.npz is damaged or was replaced"),
    ("no reference", lambda b: (b / "reference.npz").unlink(), "has no reference.npz"),
    ("a byte of the evaluation", lambda b: flip(b / "evaluation.json", 50), r"evaluation.json is damaged or was repl"),
    ("no evaluation", lambda b: (b / "evaluation.json").unlink(), "has no evaluation.json"),
    ("a reference that is none", lambda b: swap(b, "reference.npz", b"PK"), "reference.npz is not valid: it cannot be"),
    (
        "an evaluation that is none",
        lambda b: swap(b, "evaluation.json", b"{}"),
        "evaluation.json is not valid at graph",
    ),
    (
        "an evaluation of another graph",
        lambda b: swap(
            b, "evaluation.json", json.dumps(evaluation_of(b) | {"graph_sha256": "0" * 64, "classes": CODES}).encode()
        ),
        "evaluation.json belongs to another graph",
    ),
]


@pytest.mark.parametrize(("damage", "reason"), [case[1:] for case in DAMAGE], ids=[case[0] for case in DAMAGE])
def test_a_damaged_bundle_is_an_error(
    tmp_path: Path, tiny_whole_bundle: Path, damage: Callable[[Path], object], reason: str
) -> None:
    path = tmp_path / "b"
    shutil.copytree(tiny_whole_bundle, path)
    damage(path)
    with pytest.raises(BundleError, match=reason) as caught:
        Bundle.load(path)
    assert str(path) in str(caught.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(place=st.integers(0, 1 << 20), value=st.integers(1, 255))
def test_every_changed_byte_of_the_description_is_detected(
    tmp_path: Path, tiny_bundle: Path, place: int, value: int
) -> None:
    path = tmp_path / "b"
    shutil.copytree(tiny_bundle, path, dirs_exist_ok=True)
    data = bytearray((path / "bundle.json").read_bytes())
    data[place % len(data)] ^= value
    (path / "bundle.json").write_bytes(data)
    try:
        info = Bundle.load(path).info
    except BundleError:
        return
    assert info == Bundle.load(tiny_bundle).info  # white space


def test_other_zip_files_are_an_error(tmp_path: Path, tiny_info: BundleInfo, tiny_graph: bytes) -> None:
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("a.jpg", b"")
    with pytest.raises(BundleError, match="a zip file but not a bundle"):
        Bundle.load(tmp_path / "images.zip")
    (tmp_path / "weights.pt").write_bytes(b"\x80\x02")
    with pytest.raises(BundleError, match="is not a bundle"):
        Bundle.load(tmp_path / "weights.pt")
    save_bundle(tmp_path / "b.zip", tiny_info, tiny_graph)
    flip(tmp_path / "b.zip", 2_000)
    with pytest.raises(BundleError):
        Bundle.load(tmp_path / "b.zip")
    promised = tiny_info.model_copy(update={"reference_sha256": "0" * 64})
    description = json.loads(promised.model_dump_json())
    with zipfile.ZipFile(tmp_path / "half.zip", "w") as archive:
        archive.writestr("bundle.json", json.dumps(description | {"content_sha256": sha256_of_json(description)}))
        archive.writestr("model.onnx", tiny_graph)
    with pytest.raises(BundleError, match=r"a zip file but not a bundle: .*reference\.npz"):
        Bundle.load(tmp_path / "half.zip")


@pytest.mark.parametrize("name", ["", "=1+1", "a\nb", "\x1b[31mred"])
def test_unsafe_names_are_an_error(tiny_info: BundleInfo, name: str) -> None:
    with pytest.raises(ValidationError):
        BundleInfo.model_validate(tiny_info.model_dump() | {"name": name})


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_a_full_disk_leaves_the_old_bundle(tmp_path: Path, tiny_bundle: Path) -> None:
    path = tmp_path / "b"
    shutil.copytree(tiny_bundle, path)
    code = (
        "import resource, sys; from lesionlab.bundle import Bundle, save_bundle; from pathlib import Path;"
        "b = Bundle.load(sys.argv[1]); resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100));"
        "save_bundle(Path(sys.argv[1]), b.info, b.graph)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert "LesionlabError: cannot write" in done.stderr
    assert os.listdir(tmp_path) == ["b"]
    assert Bundle.load(path).info.name == "tiny"
