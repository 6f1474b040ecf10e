import gzip
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import Bundle
from lesionlab.errors import LesionlabError
from lesionlab.prediction import Predictor
from lesionlab.web import build_web
from lesionlab.web.describe import packed_reference


@pytest.fixture(scope="module")
def predictor(tiny_whole_bundle: Path) -> Predictor:
    return Predictor.load(tiny_whole_bundle, threads=1)


@pytest.fixture(scope="module")
def built(predictor: Predictor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_web(tmp_path_factory.mktemp("web") / "new" / "web", predictor).path


def test_model_files_are_written(built: Path, predictor: Predictor) -> None:
    info = predictor.bundle.info
    packed = gzip.decompress((built / "model/model.bin.gz").read_bytes())
    description = json.loads((built / "model/model.json").read_bytes())
    assert description["graph"]["sha256"] == hashlib.sha256(packed).hexdigest()
    assert description["graph"]["bytes"] == len(predictor.bundle.graph)
    assert description["card"]["calibration"]["temperature"] == 1.5
    assert description["card"]["model"]["identity"] == info.identity
    assert [entry["code"] for entry in description["card"]["classes"]] == list(info.classes)
    assert description["card"]["notice"] == RESEARCH_ONLY
    assert description["has_evaluation"]
    assert (built / "model/evaluation.json").exists()


def test_reference_arrays_are_at_their_offsets(built: Path, predictor: Predictor) -> None:
    description = json.loads((built / "model/model.json").read_bytes())
    data = gzip.decompress((built / "model/reference.bin.gz").read_bytes())
    assert hashlib.sha256(data).hexdigest() == description["reference_sha256"]
    reference = predictor.bundle.reference
    assert reference is not None
    assert reference.head is not None
    assert reference.image is not None
    head = description["reference"]["head_weights"]
    found = np.frombuffer(data, "<f4", count=int(np.prod(head["shape"])), offset=head["offset"])
    np.testing.assert_array_equal(found.reshape(head["shape"]), reference.head.weights)
    brightest = description["reference"]["image_brightest"]
    assert np.frombuffer(data, "<f4", count=1, offset=brightest["offset"])[0] == reference.image.brightest


def test_packed_reference_of_a_model_without_reference_is_empty() -> None:
    assert packed_reference(None) == (b"", {})


def test_all_files_except_licences_are_stored_for_offline_use(built: Path) -> None:
    first, _, _ = (built / "service_worker.js").read_text().partition("\n")
    stored = json.loads(first.removeprefix("globalThis.build = ").removesuffix(";"))["files"]
    written = {path.relative_to(built).as_posix() for path in built.rglob("*") if path.is_file()}
    licences = {name for name in written if "LICENSE" in name}
    assert licences
    assert {name.replace("./", "index.html") for name in stored} == written - licences - {"service_worker.js"}


def test_imports_and_links_refer_to_files_of_the_build(built: Path) -> None:
    for file in built.rglob("*.js"):
        if file.parent.name == "vendor":
            continue
        for reference in re.findall(r'^(?:import|export) .*?"(\.[^"]+)"', file.read_text(), flags=re.MULTILINE):
            assert (file.parent / reference).is_file(), f"{file}: {reference}"
    index = (built / "index.html").read_text()
    for reference in re.findall(r'(?:src|href)="([^"]+)"', index):
        assert (built / reference.partition("?")[0]).is_file(), reference


def test_content_security_policy_allows_no_other_host(built: Path) -> None:
    found = re.search(r'Content-Security-Policy" content="([^"]+)"', (built / "index.html").read_text())
    assert found
    directives = dict(part.strip().split(" ", 1) for part in found[1].split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["connect-src"] == "'self'"
    assert not re.search(r"https?:|\*|unsafe-inline|'unsafe-eval'", found[1])


def test_server_files_and_types_are_excluded(built: Path) -> None:
    assert not (built / "assets/server").exists()
    assert not list(built.rglob("*.d.ts"))


def test_builds_are_reproducible_and_versioned_by_content(
    built: Path, predictor: Predictor, tiny_bundle: Path, tmp_path: Path
) -> None:
    second = build_web(tmp_path / "second", predictor).path
    worker = (built / "service_worker.js").read_bytes()
    assert (second / "service_worker.js").read_bytes() == worker
    other = build_web(tmp_path / "second", Predictor.load(tiny_bundle, threads=1))
    assert (other.path / "service_worker.js").read_bytes() != worker
    assert not (other.path / "model/evaluation.json").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["second"]


def test_other_files_are_not_overwritten(predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(LesionlabError, match="is not a build of the page; choose another folder"):
        build_web(tmp_path / "thesis", predictor)
    assert [path.name for path in tmp_path.rglob("*")] == ["thesis", "chapter.txt"]
    (tmp_path / "file").write_text("words")
    with pytest.raises(LesionlabError, match="is not a build"):
        build_web(tmp_path / "file", predictor)


def test_a_failed_build_keeps_the_earlier_one(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = build_web(tmp_path / "web", predictor)
    worker = (before.path / "service_worker.js").read_bytes()

    def disk_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", disk_full)
        with pytest.raises(LesionlabError, match="No space left on device"):
            build_web(tmp_path / "web", predictor)
    assert (tmp_path / "web" / "service_worker.js").read_bytes() == worker
    assert [path.name for path in tmp_path.iterdir()] == ["web"]


def test_sizes_are_reported(predictor: Predictor, tmp_path: Path) -> None:
    written = build_web(tmp_path / "web", predictor)
    assert written.size == sum(path.stat().st_size for path in written.path.rglob("*") if path.is_file())
    assert written.download_size < written.size
    assert written.identity == Bundle.load(predictor.bundle.path).info.identity
