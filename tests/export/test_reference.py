"""What a bundle explains and refuses with: the network's own reasons, and limits that keep what they promise."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionlab.bundle.features import ood_scores
from lesionlab.export.measure import Measured
from lesionlab.export.reference import feature_space, image_limits, linear_head, make_reference
from lesionlab.images.quality import brightness_and_contrast, sharpness
from lesionlab.prediction import Predictor
from lesionlab.prediction.explanation.class_activation import class_activation_map, scaled
from lesionlab.recipes import HeadSettings, InferenceSettings, InputSettings, ModelSettings, Recipe
from lesionlab.runs import RunFolder
from lesionlab.taxonomy import CODES
from lesionlab.training.checkpoint import load_weights
from lesionlab.training.network import ChannelsFirst, ExportedNetwork, LesionNetwork

SIZE = 64


def make_network(backbone: str, **settings: Any) -> LesionNetwork:
    torch.manual_seed(3)
    model = ModelSettings(backbone=backbone, pretrained=False)
    inputs = InputSettings(size=SIZE)
    network = LesionNetwork(Recipe(name="small", description="A network.", input=inputs, model=model, **settings))
    network.train()
    for _ in range(3):  # batch normalisation that has seen something
        network(torch.rand(8, 3, SIZE, SIZE))
    torch.nn.init.normal_(network.head.classifier.weight, std=0.5)
    return network.eval()


def outputs_of(exported: ExportedNetwork, pictures: list[np.ndarray]) -> tuple[Measured, np.ndarray]:
    """Return what the graph of a network gives, without making the graph, and the feature maps."""
    with torch.no_grad():
        values = ChannelsFirst()(torch.from_numpy(np.stack(pictures)))
        logits, maps = (output.numpy() for output in exported.eval()(values))
    measures = [(*brightness_and_contrast(picture), sharpness(picture)) for picture in pictures]
    return Measured(logits, maps.mean(axis=(2, 3)), np.array(measures, np.float32)), maps


def grad_cam(network: ExportedNetwork, pixels: np.ndarray, score_of: torch.Tensor) -> np.ndarray:
    """Return Grad-CAM [h, w] of the score, a sum of logits with the given factors, as its authors define it."""
    kept: list[torch.Tensor] = []

    def keep(feature_map: torch.Tensor) -> torch.Tensor:
        feature_map = feature_map.detach().requires_grad_()
        kept.append(feature_map)
        return feature_map

    pool = network.network.pool
    network.network.pool = lambda feature_map: pool(keep(feature_map))  # type: ignore[method-assign]
    try:
        logits, _ = network(ChannelsFirst()(torch.tensor(pixels[None])))
        (logits[0] * score_of).sum().backward()
    finally:
        network.network.pool = pool  # type: ignore[method-assign]
    gradient, feature_map = kept[0].grad, kept[0].detach()
    assert gradient is not None
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    return np.asarray(torch.relu((weights * feature_map).sum(dim=1))[0])


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    coarse = draw.integers(0, 256, (4, 4, 4, 3), dtype=np.uint8)
    return [np.kron(picture, np.ones((16, 16, 1), np.uint8)) for picture in coarse]


def assert_alike(values: np.ndarray, expected: np.ndarray) -> None:
    highest = expected.max()
    assert values.shape == expected.shape
    np.testing.assert_allclose(values, expected / highest if highest > 0 else expected, atol=1e-4)


@pytest.mark.parametrize("views", ["none", "flips"])
@pytest.mark.parametrize(
    ("backbone", "task", "head"),
    [
        ("test_efficientnet", "diagnosis", {}),
        ("test_resnet", "malignant", {}),
        ("test_resnet", "melanoma", {"sigmoid": True}),
    ],
)
def test_the_explanation_is_grad_cam(
    pictures: list[np.ndarray], views: str, backbone: str, task: str, head: dict[str, Any]
) -> None:
    network = make_network(backbone, task=task, head=HeadSettings(**head))
    exported = ExportedNetwork(network, InferenceSettings.model_validate({"tta": views}))
    measured, maps = outputs_of(exported, pictures)
    found = linear_head([network], measured)
    assert found is not None
    summed = np.array(
        [[class_activation_map(found, one, c).mean() for c in range(len(found.bias))] + found.bias for one in maps]
    )
    # Of two classes with one output between them only the difference means anything.
    np.testing.assert_allclose(
        summed - summed.mean(axis=1, keepdims=True),
        measured.logits - measured.logits.mean(axis=1, keepdims=True),
        atol=1e-4,
    )
    shown = 0
    for picture, one in zip(pictures, maps, strict=True):
        for index in range(len(found.bias)):
            score = torch.eye(len(found.bias))[index]
            expected = grad_cam(exported, picture, score - score.flip(0) if "sigmoid" in head else score)
            assert_alike(scaled(class_activation_map(found, one, index)), expected)
            shown += expected.max() > 0
    assert shown > 0


def test_the_bundle_explains_as_autograd_does(tiny_run: RunFolder) -> None:
    recipe, predictor = tiny_run.recipe(), Predictor.load(tiny_run.path)
    network = LesionNetwork(recipe)
    network.load_state_dict(load_weights(tiny_run.best))
    exported = ExportedNetwork(network.eval(), recipe.inference)
    manifest = tiny_run.manifest()
    for record in list(manifest)[:4]:
        prepared = predictor.pipeline.prepare(manifest.location(record))
        for index, code in enumerate(CODES):
            explanation = predictor.pipeline.explain([prepared], [code])[0].explanation
            assert_alike(explanation.values, grad_cam(exported, prepared.pixels, torch.eye(len(CODES))[index]))


@pytest.mark.parametrize("head", [{"hidden": [8], "activation": "relu"}, {"pool": "flatten"}])
def test_a_network_whose_map_explains_nothing_has_no_head(pictures: list[np.ndarray], head: dict[str, Any]) -> None:
    network = make_network("test_resnet", head=HeadSettings(**head))
    assert linear_head([network], outputs_of(ExportedNetwork(network, InferenceSettings()), pictures)[0]) is None


def test_what_the_graph_does_decides(pictures: list[np.ndarray]) -> None:
    network = make_network("test_resnet")
    measured, _ = outputs_of(ExportedNetwork(network, InferenceSettings()), pictures)
    # A backbone that does something between the map and the classifier.
    other = Measured(np.tanh(measured.logits), measured.features, measured.pictures)
    assert linear_head([network], measured) is not None
    assert linear_head([network], other) is None
    without_map = Measured(measured.logits, measured.features[:, :0], measured.pictures)
    reference = make_reference([network], without_map, without_map)
    assert (reference.head, reference.features) == (None, None)
    assert reference.image is not None


def drawn(seed: int, images: int, channels: int) -> Measured:
    draw = np.random.default_rng(seed)
    scales = np.geomspace(3, 0.01, channels)
    return Measured(
        np.zeros((images, 7), np.float32),
        (draw.normal(size=(images, channels)) * scales).astype(np.float32),
        draw.uniform(40, 200, (images, 3)).astype(np.float32),
    )


@settings(max_examples=25)
@given(
    seed=st.integers(0, 1000), train=st.integers(12, 200), validation=st.integers(1, 300), channels=st.integers(2, 90)
)
def test_no_more_than_two_in_a_hundred_validation_images_are_refused(
    seed: int, train: int, validation: int, channels: int
) -> None:
    held_out = drawn(seed + 1, validation, channels)
    space = feature_space(drawn(seed, train, channels), held_out)
    refused = ood_scores(space, held_out.features) > space.limit
    assert refused.sum() <= 0.02 * validation
    assert refused.sum() >= 0.02 * validation - 1 or validation < 51
    np.testing.assert_allclose(
        space.basis.astype(np.float32) @ space.basis.astype(np.float32).T, np.eye(len(space.basis)), atol=5e-3
    )
    far = np.random.default_rng(seed).normal(size=held_out.features.shape) * 1e6
    assert channels < 4 or (ood_scores(space, far) > space.limit).mean() > 0.9


def test_features_that_never_change_make_no_infinite_distance() -> None:
    same = Measured(np.zeros((30, 7), np.float32), np.ones((30, 5), np.float32), np.ones((30, 3), np.float32))
    space = feature_space(same, same)
    assert np.isfinite(ood_scores(space, same.features)).all()
    assert not (ood_scores(space, same.features) > space.limit).any()


def test_no_training_image_is_beyond_the_limits_of_a_picture() -> None:
    measured = drawn(0, 100, 2)
    limits = image_limits(measured)
    brightness, contrast, _ = measured.pictures.T
    assert limits.darkest == brightness.min()
    assert limits.brightest == brightness.max()
    assert limits.flattest == contrast.min()


def test_an_exported_run_explains_and_refuses(tiny_run: RunFolder) -> None:
    predictor = Predictor.load(tiny_run.path)
    assert predictor.explainable
    assert predictor.abstains
    manifest = tiny_run.manifest()
    places = [manifest.location(record) for record in manifest.select(tiny_run.split().parts()["train"])]
    refused = [predictor.predict(place).refusal for place in places]
    assert not any(r.code not in ("unfamiliar", "uncertain") for found in refused if found for r in found.reasons)
    black = predictor.predict(np.zeros((48, 64, 3), np.uint8)).refusal
    assert black is not None
    assert {reason.code for reason in black.reasons} >= {"too_dark", "uniform"}
    assert predictor.explain(places[0]).values.max() in (0, 1)
