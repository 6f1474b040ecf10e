"""Reference statistics: class activation maps equal Grad-CAM, and the limits have the stated error rates."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lesionlab.bundle.features import ood_scores
from lesionlab.export.measure import Measurements
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
    for _ in range(3):  # non-trivial batch statistics
        network(torch.rand(8, 3, SIZE, SIZE))
    torch.nn.init.normal_(network.head.classifier.weight, std=0.5)
    return network.eval()


def outputs_of(exported: ExportedNetwork, images: list[np.ndarray]) -> tuple[Measurements, np.ndarray]:
    """Return the outputs of a network as an exported graph computes them, and the feature maps."""
    with torch.no_grad():
        values = ChannelsFirst()(torch.from_numpy(np.stack(images)))
        logits, maps = (output.numpy() for output in exported.eval()(values))
    measures = [(*brightness_and_contrast(image), sharpness(image)) for image in images]
    return Measurements(logits, maps.mean(axis=(2, 3)), np.array(measures, np.float32)), maps


def grad_cam(network: ExportedNetwork, pixels: np.ndarray, score_of: torch.Tensor) -> np.ndarray:
    """Return Grad-CAM [h, w] (Selvaraju et al., ICCV 2017) of a weighted sum of logits."""
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
def images() -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    coarse = draw.integers(0, 256, (4, 4, 4, 3), dtype=np.uint8)
    return [np.kron(image, np.ones((16, 16, 1), np.uint8)) for image in coarse]


def assert_close(values: np.ndarray, expected: np.ndarray) -> None:
    highest = expected.max()
    assert values.shape == expected.shape
    np.testing.assert_allclose(values, expected / highest if highest > 0 else expected, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("views", ["none", "flips"])
@pytest.mark.parametrize(
    ("backbone", "task", "head"),
    [
        ("test_efficientnet", "diagnosis", {}),
        ("test_resnet", "malignant", {}),
        ("test_resnet", "melanoma", {"sigmoid": True}),
    ],
)
def test_the_class_activation_map_equals_grad_cam(
    images: list[np.ndarray], views: str, backbone: str, task: str, head: dict[str, Any]
) -> None:
    network = make_network(backbone, task=task, head=HeadSettings(**head))
    exported = ExportedNetwork(network, InferenceSettings.model_validate({"tta": views}))
    measured, maps = outputs_of(exported, images)
    found = linear_head([network], measured)
    assert found is not None
    summed = np.array(
        [[class_activation_map(found, one, c).mean() for c in range(len(found.bias))] + found.bias for one in maps]
    )
    # With a single sigmoid output, only the difference of the two logits is defined.
    np.testing.assert_allclose(
        summed - summed.mean(axis=1, keepdims=True),
        measured.logits - measured.logits.mean(axis=1, keepdims=True),
        atol=1e-4,
    )
    shown = 0
    for image, one in zip(images, maps, strict=True):
        for index in range(len(found.bias)):
            score = torch.eye(len(found.bias))[index]
            expected = grad_cam(exported, image, score - score.flip(0) if "sigmoid" in head else score)
            assert_close(scaled(class_activation_map(found, one, index)), expected)
            shown += expected.max() > 0
    assert shown > 0


def test_the_bundle_explanation_equals_grad_cam_by_autograd(tiny_run: RunFolder) -> None:
    recipe, predictor = tiny_run.recipe(), Predictor.load(tiny_run.path)
    network = LesionNetwork(recipe)
    network.load_state_dict(load_weights(tiny_run.best))
    exported = ExportedNetwork(network.eval(), recipe.inference)
    manifest, compared = tiny_run.manifest(), 0
    for record in list(manifest)[:8]:
        prepared = predictor.pipeline.prepare(manifest.location(record))
        for index, code in enumerate(CODES):
            explained = predictor.pipeline.explain([prepared], [code])[0]
            if explained.prediction.abstained:
                assert explained.explanation is None
                continue
            assert explained.explanation is not None
            expected = grad_cam(exported, prepared.pixels, torch.eye(len(CODES))[index])
            assert_close(explained.explanation.values, expected)
            compared += 1
    assert compared >= 4 * len(CODES)


@pytest.mark.parametrize("head", [{"hidden": [8], "activation": "relu"}, {"pool": "flatten"}])
def test_a_network_with_a_nonlinear_head_has_no_linear_head(images: list[np.ndarray], head: dict[str, Any]) -> None:
    network = make_network("test_resnet", head=HeadSettings(**head))
    assert linear_head([network], outputs_of(ExportedNetwork(network, InferenceSettings()), images)[0]) is None


def test_linearity_is_checked_on_the_outputs(images: list[np.ndarray]) -> None:
    network = make_network("test_resnet")
    measured, _ = outputs_of(ExportedNetwork(network, InferenceSettings()), images)
    # A backbone with a further layer between feature map and classifier.
    other = Measurements(np.tanh(measured.logits), measured.features, measured.quality)
    assert linear_head([network], measured) is not None
    assert linear_head([network], other) is None
    without_map = Measurements(measured.logits, measured.features[:, :0], measured.quality)
    reference = make_reference([network], without_map, without_map)
    assert (reference.head, reference.features) == (None, None)
    assert reference.image is not None


def drawn(seed: int, images: int, channels: int) -> Measurements:
    draw = np.random.default_rng(seed)
    scales = np.geomspace(3, 0.01, channels)
    return Measurements(
        np.zeros((images, 7), np.float32),
        (draw.normal(size=(images, channels)) * scales).astype(np.float32),
        draw.uniform(40, 200, (images, 3)).astype(np.float32),
    )


@settings(max_examples=25)
@given(
    seed=st.integers(0, 1000), train=st.integers(12, 200), validation=st.integers(1, 300), channels=st.integers(2, 90)
)
def test_two_percent_of_the_validation_images_exceed_the_limit(
    seed: int, train: int, validation: int, channels: int
) -> None:
    held_out = drawn(seed + 1, validation, channels)
    space = feature_space(drawn(seed, train, channels), held_out)
    beyond = ood_scores(space, held_out.features) > space.limit
    assert beyond.sum() <= 0.02 * validation
    assert beyond.sum() >= 0.02 * validation - 1 or validation < 51
    np.testing.assert_allclose(
        space.basis.astype(np.float32) @ space.basis.astype(np.float32).T, np.eye(len(space.basis)), atol=5e-3
    )
    far = np.random.default_rng(seed).normal(size=held_out.features.shape) * 1e6
    assert channels < 4 or (ood_scores(space, far) > space.limit).mean() > 0.9


def test_constant_features_have_finite_scores() -> None:
    same = Measurements(np.zeros((30, 7), np.float32), np.ones((30, 5), np.float32), np.ones((30, 3), np.float32))
    space = feature_space(same, same)
    assert np.isfinite(ood_scores(space, same.features)).all()
    assert not (ood_scores(space, same.features) > space.limit).any()


def test_image_limits_are_the_training_extremes() -> None:
    measured = drawn(0, 100, 2)
    limits = image_limits(measured)
    brightness, contrast, _ = measured.quality.T
    assert limits.darkest == brightness.min()
    assert limits.brightest == brightness.max()
    assert limits.flattest == contrast.min()


def test_an_exported_run_explains_and_abstains(tiny_run: RunFolder) -> None:
    predictor = Predictor.load(tiny_run.path)
    assert predictor.explainable
    assert predictor.abstains
    manifest = tiny_run.manifest()
    train = [manifest.location(record) for record in manifest.select(tiny_run.split().subsets()["train"])]
    predictions = [predictor.predict(location) for location in train]
    codes = {reason.code for prediction in predictions for reason in prediction.abstain_reasons}
    assert codes <= {"out_of_distribution", "low_confidence"}
    black = predictor.predict(np.zeros((48, 64, 3), np.uint8))
    assert {reason.code for reason in black.abstain_reasons} >= {"too_dark", "uniform"}
    first = next(location for location, one in zip(train, predictions, strict=True) if not one.abstained)
    explanation = predictor.explain(first).explanation
    assert explanation is not None
    assert explanation.values.max() in (0, 1)
