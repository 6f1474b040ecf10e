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
from lesionlab.web.describe import laid_out


@pytest.fixture(scope="module")
def predictor(tiny_whole_bundle: Path) -> Predictor:
    return Predictor.load(tiny_whole_bundle, threads=1)


@pytest.fixture(scope="module")
def site(predictor: Predictor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_web(tmp_path_factory.mktemp("site") / "new" / "site", predictor).path


def test_the_model_stands_beside_the_page(site: Path, predictor: Predictor) -> None:
    info = predictor.bundle.info
    assert hashlib.sha256((site / "model/model.onnx").read_bytes()).hexdigest() == info.graph_sha256
    assert json.loads((site / "model/bundle.json").read_bytes())["calibration"]["temperature"] == 1.5
    described = json.loads((site / "model/site.json").read_bytes())
    assert described["identity"] == info.identity
    assert [entry["code"] for entry in described["classes"]] == list(info.classes)
    assert described["notice"] == RESEARCH_ONLY
    assert described["has_evaluation"]
    assert (site / "model/evaluation.json").exists()


def test_the_numbers_of_the_reference_are_found_at_their_places(site: Path, predictor: Predictor) -> None:
    described = json.loads((site / "model/site.json").read_bytes())
    data = (site / "model/reference.bin").read_bytes()
    assert hashlib.sha256(data).hexdigest() == described["reference_sha256"]
    reference = predictor.bundle.reference
    assert reference is not None
    assert reference.head is not None
    assert reference.image is not None
    head = described["reference"]["head_weights"]
    found = np.frombuffer(data, "<f4", count=int(np.prod(head["shape"])), offset=head["offset"])
    np.testing.assert_array_equal(found.reshape(head["shape"]), reference.head.weights)
    brightest = described["reference"]["picture_brightest"]
    assert np.frombuffer(data, "<f4", count=1, offset=brightest["offset"])[0] == reference.image.brightest


def test_a_model_without_a_reference_has_no_numbers() -> None:
    assert laid_out(None) == (b"", {})


def test_all_that_the_page_may_ask_for_is_kept_for_later(site: Path) -> None:
    first, _, _ = (site / "service_worker.js").read_text().partition("\n")
    kept = json.loads(first.removeprefix("globalThis.site = ").removesuffix(";"))["files"]
    there = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    licences = {name for name in there if "LICENSE" in name}
    assert licences
    assert {name.replace("./", "index.html") for name in kept} == there - licences - {"service_worker.js"}


def test_modules_and_styles_ask_only_for_files_that_are_there(site: Path) -> None:
    for file in site.rglob("*.js"):
        if file.parent.name == "vendor":
            continue
        for named in re.findall(r'^(?:import|export) .*?"(\.[^"]+)"', file.read_text(), flags=re.MULTILINE):
            assert (file.parent / named).is_file(), f"{file}: {named}"
    index = (site / "index.html").read_text()
    for named in re.findall(r'(?:src|href)="([^"]+)"', index):
        assert (site / named).is_file(), named


def test_the_policy_allows_no_other_host(site: Path) -> None:
    found = re.search(r'Content-Security-Policy" content="([^"]+)"', (site / "index.html").read_text())
    assert found
    directives = dict(part.strip().split(" ", 1) for part in found[1].split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["connect-src"] == "'self'"
    assert not re.search(r"https?:|\*|unsafe-inline|'unsafe-eval'", found[1])


def test_nothing_of_the_server_is_in_it(site: Path) -> None:
    assert not (site / "assets/server").exists()
    assert not list(site.rglob("*.d.ts"))


def test_the_same_model_is_the_same_bytes_and_another_one_another_version(
    site: Path, predictor: Predictor, tiny_bundle: Path, tmp_path: Path
) -> None:
    again = build_web(tmp_path / "again", predictor).path
    worker = (site / "service_worker.js").read_bytes()
    assert (again / "service_worker.js").read_bytes() == worker
    other = build_web(tmp_path / "again", Predictor.load(tiny_bundle, threads=1))
    assert (other.path / "service_worker.js").read_bytes() != worker
    assert not (other.path / "model/evaluation.json").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_what_is_no_site_is_left_alone(predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(LesionlabError, match="is not a site of lesionlab; choose another place"):
        build_web(tmp_path / "thesis", predictor)
    assert [path.name for path in tmp_path.rglob("*")] == ["thesis", "chapter.txt"]
    (tmp_path / "file").write_text("words")
    with pytest.raises(LesionlabError, match="is not a site"):
        build_web(tmp_path / "file", predictor)


def test_what_cannot_be_written_leaves_nothing_behind(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = build_web(tmp_path / "site", predictor)
    worker = (before.path / "service_worker.js").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(LesionlabError, match="No space left on device"):
            build_web(tmp_path / "site", predictor)
    assert (tmp_path / "site" / "service_worker.js").read_bytes() == worker
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_its_sizes_are_told(site: Path, predictor: Predictor, tmp_path: Path) -> None:
    written = build_web(tmp_path / "site", predictor)
    assert written.size == sum(path.stat().st_size for path in written.path.rglob("*") if path.is_file())
    assert written.to_load < written.size
    assert written.identity == Bundle.load(predictor.bundle.path).info.identity
