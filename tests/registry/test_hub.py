"""Repositories of the Hugging Face Hub: the folder, its card, and upload to a local stand-in."""

from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard, ModelCardData
from PIL import Image

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import Bundle, fetch_bundle
from lesionlab.errors import LesionlabError, UsageError
from lesionlab.prediction import Predictor
from lesionlab.registry.hub import hub_card, upload, write_hub_folder
from tests.hub import Hub


@pytest.fixture
def whole(tiny_whole_bundle: Path) -> Bundle:
    return Bundle.load(tiny_whole_bundle)


def metadata(bundle: Bundle) -> ModelCardData:
    data = ModelCard(hub_card(bundle)).data
    assert isinstance(data, ModelCardData)
    return data


def test_the_folder_is_a_bundle_with_a_card(whole: Bundle, tmp_path: Path) -> None:
    write_hub_folder(whole, tmp_path / "model", "clinic/skin")
    assert Bundle.load(tmp_path / "model").info == whole.info
    card = (tmp_path / "model" / "README.md").read_text("utf-8")
    assert RESEARCH_ONLY in card
    assert "lesionlab predict lesion.jpg --model hf://clinic/skin" in card


def test_the_metadata_are_those_of_the_evaluation(whole: Bundle) -> None:
    data, evaluation = metadata(whole), whole.evaluation
    assert evaluation is not None
    assert (data.license, data.library_name, data.pipeline_tag) == ("cc-by-nc-4.0", "lesionlab", "image-classification")
    assert data.datasets == ["made-up"]
    assert {"dermoscopy", "research-only"} <= set(data.tags or ())
    assert data.model_name == whole.info.name
    assert data.eval_results
    own = {result.metric_name: result for result in data.eval_results if evaluation.dataset in result.dataset_name}
    accuracy = next(result for name, result in own.items() if name and name.startswith("Balanced accuracy"))
    figure = evaluation.overall["balanced_accuracy"]
    assert figure.value is not None
    assert accuracy.metric_value == pytest.approx(figure.value, abs=1e-4)
    assert accuracy.metric_name == f"Balanced accuracy, 95% interval {figure.low:.3f} to {figure.high:.3f}"
    assert set(data.metrics or ()) == {result.metric_type for result in data.eval_results}


def test_the_shipped_model_states_figures_within_one_source_and_on_other_datasets() -> None:
    shipped = Bundle.load()
    assert shipped.evaluation is not None
    results = metadata(shipped).eval_results or []
    names = [result.metric_name or "" for result in results]
    assert any("malignant against benign, within one source" in name for name in names)
    assert {f"{other.dataset}, images that the model was not fitted to" for other in shipped.evaluation.external} <= {
        result.dataset_name for result in results
    }


@pytest.mark.parametrize(
    ("licence", "expected"),
    [("MIT", ("mit", None)), ("unspecified", ("unknown", None)), ("Our Licence 2", ("other", "our-licence-2"))],
)
def test_a_licence_is_that_of_the_hub_or_another(whole: Bundle, licence: str, expected: tuple[str, str | None]) -> None:
    data = metadata(replace(whole, info=whole.info.model_copy(update={"licence": licence})))
    assert (data.license, data.license_name) == expected


def test_leaky_figures_are_marked_and_a_bundle_without_evaluation_has_none(whole: Bundle) -> None:
    assert whole.evaluation is not None
    leaky = replace(whole, evaluation=whole.evaluation.model_copy(update={"leaky": True}))
    names = [result.metric_name or "" for result in metadata(leaky).eval_results or ()]
    assert names
    assert all(", leaky" in name for name in names)
    bare = metadata(replace(whole, evaluation=None))
    assert (bare.eval_results, bare.metrics) == (None, None)


def test_a_repository_gives_the_same_predictions(
    whole: Bundle, hub: Hub, photograph: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LESIONLAB_CACHE", str(tmp_path / "cache"))
    upload(whole, "hf://clinic/skin")
    assert hub.private == {"clinic/skin"}
    assert set(hub.files("clinic/skin") or ()) == {
        "README.md",
        "bundle.json",
        "evaluation.json",
        "model.onnx",
        "reference.npz",
    }
    fetched = Predictor.load(fetch_bundle("hf://clinic/skin"), threads=1)
    assert fetched.predict(photograph) == Predictor.load(whole, threads=1).predict(photograph)
    upload(replace(whole, info=whole.info.model_copy(update={"created": "2026-02-02"})), "hf://clinic/skin")
    assert Bundle.load(fetch_bundle("hf://clinic/skin")).info.created == "2026-02-02"
    assert Bundle.load(fetch_bundle("hf://clinic/skin@1")).info == whole.info
    hub.repositories.clear()
    assert Bundle.load(fetch_bundle("hf://clinic/skin@1")).info == whole.info  # from the cache
    with pytest.raises(LesionlabError, match="hf://clinic/other cannot be read, and no copy is in the cache"):
        fetch_bundle("hf://clinic/other")


@pytest.mark.parametrize("url", ["hf://skin", "s3://bucket/skin", "hf://clinic/skin/folder"])
def test_an_upload_needs_a_repository(whole: Bundle, url: str) -> None:
    with pytest.raises(UsageError, match="write the repository like hf://OWNER/REPO"):
        upload(whole, url)


def test_a_hub_that_cannot_be_reached_is_one_line(whole: Bundle, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(LesionlabError, match="cannot write hf://clinic/skin: ") as raised:
        upload(whole, "hf://clinic/skin")
    assert "\n" not in str(raised.value)
