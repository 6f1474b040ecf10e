"""External evaluations in a model card."""

import json
import shutil
from pathlib import Path

import pytest

from lesionlab.bundle import Bundle
from lesionlab.data import Manifest
from lesionlab.errors import DataError, LesionlabError, UsageError
from lesionlab.evaluation import evaluate_subset, write_evaluation
from lesionlab.evaluation.card import read_external, render_appendix, render_card
from lesionlab.evaluation.external import store_external
from lesionlab.prediction import Predictor
from tests.evaluation.cards import claim, section

pytestmark = pytest.mark.usefixtures("figures_drawn_once")


@pytest.fixture(scope="module")
def measured(phantoms: Manifest, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluation on another dataset than the model's own."""
    folder = tmp_path_factory.mktemp("external") / "phantoms"
    evaluation = evaluate_subset(Predictor.load(tiny_bundle), phantoms, subset="all", unseen=True, resamples=20)
    write_evaluation(folder, evaluation)
    return folder


@pytest.mark.slow
def test_external_evaluations_are_reported(tiny_bundle: Path, measured: Path) -> None:
    bundle = Bundle.load(tiny_bundle)
    without = section(render_card(bundle), "External validation")
    assert "To add one:" in without
    metrics = json.loads((measured / "metrics.json").read_text(encoding="utf-8"))
    found = [read_external(path, bundle.info) for path in (measured, measured / "metrics.json")]
    assert found[0] == found[1]
    card = render_card(bundle, found)
    external = section(card, "External validation")
    assert external.count("### phantom, seven diagnoses\n") == 2
    assert "To add one:" not in external
    assert f"{metrics['n_images']} images of 70 lesions" in external
    assert "these images" in external
    figure = metrics["overall"]["balanced_accuracy"]
    appendix = render_appendix(bundle, found[:1])
    measured_there = section(appendix, "External validation: phantom, seven diagnoses")
    assert f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})" in measured_there
    assert metrics["manifest_sha256"] in measured_there
    assert (
        f"- phantom, seven diagnoses, {metrics['n_images']} images: Balanced accuracy {figure['value']:.3f} ("
        in section(card, "Summary")
    )
    assert claim(appendix, 33)[1] == "Reported"
    assert claim(render_appendix(bundle), 33)[1] == "Not reported"


@pytest.mark.slow
def test_sources_of_external_datasets_are_reported(tiny_bundle: Path, tiny_whole_bundle: Path, measured: Path) -> None:
    bundle, held = Bundle.load(tiny_bundle), Bundle.load(tiny_whole_bundle).evaluation
    assert held is not None
    sources = {"by_source": held.by_source, "within_source_auc": held.within_source_auc}
    other = read_external(measured, bundle.info).model_copy(update=sources)
    external = section(render_card(bundle, [other]), "External validation")
    assert "| clinic A | 60 | 30 | 5 | 0.500 (0.400 to 0.600) |" in external
    assert "0.750 (0.700 to 0.800) between images of one source" in external
    assert "clinic A" in section(render_appendix(bundle, [other]), "External validation: phantom, seven diagnoses")


def test_external_figures_are_stored_in_the_bundle(
    tiny_bundle: Path, tiny_whole_bundle: Path, measured: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_whole_bundle, tmp_path / "bundle")
    before = Bundle.load(tmp_path / "bundle")
    # The second time it replaces the first.
    store_external(store_external(before, measured), measured / "metrics.json")
    after = Bundle.load(tmp_path / "bundle")
    assert before.evaluation is not None
    assert after.evaluation is not None
    (row,) = after.evaluation.external
    metrics = json.loads((measured / "metrics.json").read_text(encoding="utf-8"))
    assert (row.dataset, row.target, row.figures.n_images) == ("phantom", "malignant", metrics["n_images"])
    assert row.figures.auc.model_dump() == metrics["overall"]["malignant_auc"]
    assert row.figures.n_positive == sum(metrics["support"][code] for code in ("mel", "bcc", "akiec"))
    stored, point = row.figures.operating_points[0], metrics["operating_points"][0]
    assert stored.sensitivity.value == point["sensitivity"]
    assert [stored.specificity.low, stored.specificity.high] == point["intervals"]["specificity"]
    assert after.evaluation.model_copy(update={"external": ()}) == before.evaluation
    assert after.info.graph_sha256 == before.info.graph_sha256
    with pytest.raises(UsageError, match="has no test results to add to"):
        store_external(Bundle.load(tiny_bundle), measured)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"graph_sha256": "0" * 64}, UsageError, "is an evaluation of tiny@"),
        ({"subset": "test"}, UsageError, "the dataset of tiny@"),
        ({"unseen": False}, UsageError, "contains images that tiny@"),
        ({"unseen": None}, UsageError, "may contain images that tiny@"),
        ({"manifest_sha256": "a" * 64}, UsageError, "the dataset of tiny@"),
        ({"operating_points": []}, UsageError, "other thresholds"),
        ({"overall": 3}, DataError, "overall: "),
    ],
)
def test_other_evaluations_are_rejected(
    tiny_bundle: Path,
    measured: Path,
    tmp_path: Path,
    changes: dict[str, object],
    error: type[LesionlabError],
    message: str,
) -> None:
    content = json.loads((measured / "metrics.json").read_text(encoding="utf-8"))
    (tmp_path / "metrics.json").write_text(json.dumps(content | changes), encoding="utf-8")
    with pytest.raises(error, match=message) as raised:
        read_external(tmp_path, Bundle.load(tiny_bundle).info)
    assert str(raised.value).startswith(str(tmp_path / "metrics.json"))
    assert "\n" not in str(raised.value)


def test_missing_or_damaged_files_are_rejected(tiny_bundle: Path, tmp_path: Path) -> None:
    info = Bundle.load(tiny_bundle).info
    with pytest.raises(DataError, match=r"nowhere cannot be read \(No such file"):
        read_external(tmp_path / "nowhere", info)
    with pytest.raises(DataError, match=r"metrics\.json cannot be read \(No such file"):
        read_external(tmp_path, info)
    (tmp_path / "metrics.json").write_bytes(b"\xff{")
    with pytest.raises(DataError, match="was not written by `lesionlab evaluate`"):
        read_external(tmp_path, info)
