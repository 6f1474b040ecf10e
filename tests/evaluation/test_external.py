"""Evaluations on other data in a model card: told as what they are, refused where they are not."""

import json
from pathlib import Path

import pytest

from lesionlab.bundle import Bundle
from lesionlab.data import Manifest
from lesionlab.errors import DataError, LesionlabError, UsageError
from lesionlab.evaluation import evaluate_subset, write_evaluation
from lesionlab.evaluation.card import read_external, render_card
from lesionlab.prediction import Predictor
from tests.evaluation.cards import claim, section


@pytest.fixture(scope="module")
def measured(phantoms: Manifest, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `lesionlab evaluate` writes for a dataset that is not the model's own."""
    folder = tmp_path_factory.mktemp("external") / "phantoms"
    evaluation = evaluate_subset(Predictor.load(tiny_bundle), phantoms, subset="all", unseen=True, resamples=20)
    write_evaluation(folder, evaluation)
    return folder


def test_external_evaluations_fill_their_section(tiny_bundle: Path, measured: Path) -> None:
    bundle = Bundle.load(tiny_bundle)
    without = section(render_card(bundle), "External validation")
    assert "None was given." in without
    told = json.loads((measured / "metrics.json").read_text(encoding="utf-8"))
    found = [read_external(place, bundle.info) for place in (measured, measured / "metrics.json")]
    assert found[0] == found[1]
    card = render_card(bundle, found)
    external = section(card, "External validation")
    assert external.count("### phantom\n") == 2
    assert "None was given." not in external
    assert f"{told['n_images']} images of 70 lesions" in external
    figure = told["overall"]["balanced_accuracy"]
    assert f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})" in external
    assert "these images" in external
    assert f"- phantom, {told['n_images']} images: Balanced accuracy {figure['value']:.3f} (" in section(
        card, "In short"
    )
    assert claim(card, 33)[1] == "Reported"
    assert claim(render_card(bundle), 33)[1] == "Not reported"


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"graph_sha256": "0" * 64}, UsageError, "is an evaluation of tiny@"),
        ({"subset": "test"}, UsageError, "the data that tiny@"),
        ({"unseen": False}, UsageError, "the data that tiny@"),
        ({"manifest_sha256": "a" * 64}, UsageError, "the data that tiny@"),
        ({"operating_points": []}, UsageError, "other thresholds"),
        ({"overall": 3}, DataError, "overall: "),
    ],
)
def test_what_is_no_external_evaluation_is_refused(
    tiny_bundle: Path,
    measured: Path,
    tmp_path: Path,
    changes: dict[str, object],
    error: type[LesionlabError],
    words: str,
) -> None:
    content = json.loads((measured / "metrics.json").read_text(encoding="utf-8"))
    (tmp_path / "metrics.json").write_text(json.dumps(content | changes), encoding="utf-8")
    with pytest.raises(error, match=words) as raised:
        read_external(tmp_path, Bundle.load(tiny_bundle).info)
    assert str(raised.value).startswith(str(tmp_path / "metrics.json"))
    assert "\n" not in str(raised.value)


def test_a_missing_or_broken_external_evaluation_is_named(tiny_bundle: Path, tmp_path: Path) -> None:
    info = Bundle.load(tiny_bundle).info
    with pytest.raises(DataError, match=r"nowhere cannot be read \(No such file"):
        read_external(tmp_path / "nowhere", info)
    with pytest.raises(DataError, match=r"metrics\.json cannot be read \(No such file"):
        read_external(tmp_path, info)
    (tmp_path / "metrics.json").write_bytes(b"\xff{")
    with pytest.raises(DataError, match="is not what `lesionlab evaluate` writes"):
        read_external(tmp_path, info)
