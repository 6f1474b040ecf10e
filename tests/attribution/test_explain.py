"""Explanations written to a folder: overlays, arrays and the page, for runs and bundles."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from markupsafe import escape
from PIL import Image

from lesionlab import RESEARCH_ONLY
from lesionlab.attribution.check import SampleSizes, check_model, validation_images
from lesionlab.attribution.explain import PAGE, BundleExplainer, explain_images
from lesionlab.attribution.methods import METHODS, choose_methods
from lesionlab.attribution.result import ModelCheck
from lesionlab.attribution.table import render_table
from lesionlab.attribution.trained import NetworkExplainer, open_trained
from lesionlab.bundle import Bundle
from lesionlab.data import Manifest
from lesionlab.data.masks import MaskFolder
from lesionlab.errors import DataError, UsageError
from lesionlab.prediction import Predictor
from lesionlab.recipes import Recipe
from lesionlab.runs import RunFolder

# Trains and exports a network and explains it by every method.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(phantoms: Manifest, make_recipe: Callable[..., Recipe], tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished and exported run whose last feature map has several cells."""
    from lesionlab.export import export_run
    from lesionlab.training import train_recipe

    recipe = make_recipe("seed=2", "input.size=64", "training.epochs=1")
    made = train_recipe(recipe, phantoms, tmp_path_factory.mktemp("run") / "tiny")
    export_run(made)
    return made


@pytest.fixture(scope="module")
def images(phantoms: Manifest) -> list[str]:
    return [phantoms.location(record) for record in list(phantoms)[:2]]


def test_a_run_is_explained_by_every_method_on_one_page(run: RunFolder, images: list[str], tmp_path: Path) -> None:
    explainer = NetworkExplainer(open_trained(run), choose_methods(None))
    assert explain_images(explainer, images, tmp_path) == []
    page = (tmp_path / PAGE).read_text(encoding="utf-8")
    assert RESEARCH_ONLY in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert page.count("<section") == len(images)
    for method in METHODS.values():
        assert page.count(f"<b>{method.title}</b>") == len(images)
        assert len(list(tmp_path.glob(f"*-{method.name}.png"))) == len(images)
    for image in images:
        prediction = explainer.predictor.predict(image)
        assert escape(prediction.headline) in page
        with np.load(tmp_path / f"{Path(image).stem}-{prediction.most_probable}.npz", allow_pickle=False) as arrays:
            assert sorted(arrays) == sorted(METHODS)
            assert all(arrays[name].ndim == 2 for name in arrays)
    assert "Open diamonds: different prediction" in page


@pytest.mark.parametrize("source", ["run", "bundle"])
def test_grad_cam_equals_the_map_of_the_bundle(run: RunFolder, images: list[str], source: str) -> None:
    model = open_trained(run if source == "run" else Bundle.load(run.bundle))
    for image in images:
        prepared = model.predictor.pipeline.prepare(image)
        for index, code in enumerate(model.network.classes):
            expected = model.predictor.pipeline.explain([prepared], [code])[0].explanation
            method = METHODS["grad-cam"]
            found = method.displayed(method.attribute(model.network, prepared.pixels, index))
            assert expected is not None
            np.testing.assert_allclose(found, expected.values, atol=1e-4)


def test_a_bundle_is_explained_by_its_class_activation_map_alone(
    tiny_whole_bundle: Path, tiny_bundle: Path, images: list[str], tmp_path: Path
) -> None:
    explainer = BundleExplainer(Predictor.load(tiny_whole_bundle))
    assert explain_images(explainer, images, tmp_path, code="df", stability=False) == []
    page = (tmp_path / PAGE).read_text(encoding="utf-8")
    assert "by its class activation map alone" in page
    assert "stability" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    assert "Explained class: <b>Dermatofibroma</b>" in page
    with pytest.raises(UsageError, match="a bundle without a class activation map; name the run"):
        BundleExplainer(Predictor.load(tiny_bundle))


def test_image_names_are_escaped(tiny_whole_bundle: Path, tmp_path: Path) -> None:
    place = tmp_path / "<script>alert(1)</script>.png".replace("/", "_")
    Image.new("RGB", (64, 64), "tan").save(place)
    explain_images(BundleExplainer(Predictor.load(tiny_whole_bundle)), [str(place)], tmp_path / "out", stability=False)
    page = (tmp_path / "out" / PAGE).read_text(encoding="utf-8")
    assert "<script>" not in page


def test_weights_that_differ_from_the_bundle_are_rejected(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, tiny_run: RunFolder
) -> None:
    other = RunFolder(run.path)
    other.best = tiny_run.best
    with pytest.raises(DataError, match="was not exported from the weights in"):
        open_trained(other)


@pytest.fixture(scope="module")
def masks(phantoms: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("masks")
    mask = np.zeros((48, 64), bool)
    mask[12:36, 16:48] = True
    for record in phantoms:
        Image.fromarray(mask).save(folder / f"{record.image_id}_segmentation.png")
    return folder


@pytest.fixture(scope="module")
def checked(run: RunFolder, masks: Path) -> tuple[ModelCheck, list[str]]:
    measured: list[str] = []
    found = check_model(
        open_trained(run),
        validation_images(run),
        MaskFolder(masks),
        sizes=SampleSizes(images=4, slow_images=2, curves=2, randomised=3, slow_randomised=2),
        methods=choose_methods(["grad-cam", "occlusion"]),
        progress=lambda _result, name: measured.append(name),
    )
    return found, measured


def test_check_measures_everything_and_reports_progress(checked: tuple[ModelCheck, list[str]]) -> None:
    found, measured = checked
    assert measured == ["Grad-CAM", "Occlusion", "correct malignant predictions", "artefacts"]
    assert [(m.method, m.images, m.randomised_images) for m in found.methods] == [
        ("grad-cam", 4, 3),
        ("occlusion", 2, 2),
    ]
    assert found.area["mask"].value == pytest.approx(0.25, abs=0.01)
    for method in (*found.methods, *found.controls):
        values = [method.energy[name].value for name in ("mask", "half_cell", "cell")]
        assert values == sorted(value for value in values if value is not None)
        assert method.deletion.value is not None
        assert method.insertion.value is not None
        assert 0 <= method.deletion.value <= 1
        assert 0 <= method.insertion.value <= 1
    assert set(found.methods[0].randomised) == {"head", "half", "all", "other image"}
    assert [a.artefact for a in found.artefacts][-2:] == ["dark corners", "corners"]


def test_check_round_trips_through_json_and_renders_as_a_table(checked: tuple[ModelCheck, list[str]]) -> None:
    found, _ = checked
    assert ModelCheck.model_validate_json(found.model_dump_json()) == found
    table = render_table([found])
    assert RESEARCH_ONLY in table
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} <= {13, 7, 10}
    assert sum("Grad-CAM" in line for line in rows) == 1


def test_masks_of_other_images_are_rejected(run: RunFolder, tmp_path: Path) -> None:
    Image.new("1", (8, 8)).save(tmp_path / "other_segmentation.png")
    with pytest.raises(DataError, match="has no mask of any image"):
        check_model(open_trained(run), validation_images(run), MaskFolder(tmp_path), sizes=SampleSizes())


def test_the_card_reports_the_measures(run: RunFolder, checked: tuple[ModelCheck, list[str]], tmp_path: Path) -> None:
    from lesionlab.evaluation.card import read_explanations, render_card
    from lesionlab.files import write_json

    found, _ = checked
    bundle = Bundle.load(run.bundle)
    place = tmp_path / "attribution.json"
    write_json(place, {"models": [found.model_dump(mode="json")]})
    assert read_explanations(tmp_path, bundle.info) == found
    card = render_card(bundle, explained=found)
    assert "**Artefacts beside the lesion,**" in card
    assert all(f"| {a.artefact} |" in card for a in found.artefacts if a.artefact != "corners")
    write_json(place, {"models": [found.model_dump(mode="json") | {"graph_sha256": "0" * 64}]})
    with pytest.raises(UsageError, match="has no explanations of"):
        read_explanations(place, bundle.info)
    place.write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="was not written by `lesionlab check-explanations`"):
        read_explanations(place, bundle.info)
    with pytest.raises(DataError, match="cannot be read"):
        read_explanations(tmp_path / "none.json", bundle.info)
