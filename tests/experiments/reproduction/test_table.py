"""Rows of the table by task."""

from collections.abc import Callable

import pytest

from lesionlab.experiments.reproduction import RunOutcome
from lesionlab.experiments.reproduction.table import figure_rows
from lesionlab.metrics import Estimate
from lesionlab.recipes import Recipe, SplitProtocol, load_recipe


def outcome(**figures: float | None) -> RunOutcome:
    return RunOutcome(
        folder="x/lesion",
        bundle="x@1",
        subset="test",
        unseen=True,
        leaky=False,
        n_images=10,
        n_lesions=8,
        images={"test": 10},
        manifest_sha256="a",
        split_sha256="b",
        epochs=1,
        training_seconds=1.0,
        weights="random",
        environment={"device": "cpu"},
        figures={
            name.replace("__", "."): Estimate(value=value, low=None, high=None) for name, value in figures.items()
        },
    )


def test_headline_figures_come_first_and_the_leak_is_a_difference() -> None:
    recipe = load_recipe("mobilenetv2-mini-melanoma")
    runs = {
        SplitProtocol.PUBLISHED: outcome(
            mel__f1=0.75, mel__auc=0.875, mel__recall=0.5, balanced_accuracy=None, accuracy=0.75
        ),
        SplitProtocol.LESION: outcome(
            mel__f1=0.25, mel__auc=0.625, mel__recall=0.75, balanced_accuracy=0.5, accuracy=0.75
        ),
    }
    rows = figure_rows(recipe, runs)
    assert [(row.metric, row.headline, row.published, row.leak) for row in rows] == [
        ("mel.f1", True, 0.81, 0.5),
        ("mel.auc", True, None, 0.25),
        ("balanced_accuracy", False, None, None),
        ("accuracy", False, 0.852, 0.0),
        ("mel.recall", False, 0.79, -0.25),
    ]


def test_a_split_by_image_has_its_own_column() -> None:
    recipe = load_recipe("custom-cnn-oversampled")
    runs = {
        SplitProtocol.PUBLISHED: outcome(accuracy=0.9, balanced_accuracy=0.8),
        SplitProtocol.IMAGE: outcome(accuracy=0.7, balanced_accuracy=0.6),
        SplitProtocol.LESION: outcome(accuracy=0.65, balanced_accuracy=0.5, melanoma_recall_at_precision=0.4),
    }
    rows = {row.metric: row for row in figure_rows(recipe, runs)}
    assert list(rows) == ["balanced_accuracy", "melanoma_recall_at_precision", "accuracy"]
    assert rows["accuracy"].image_split == Estimate(value=0.7, low=None, high=None)
    assert rows["accuracy"].leak == pytest.approx(0.25)
    # A figure of the comparison has no other columns.
    compared = rows["melanoma_recall_at_precision"]
    assert (compared.published_protocol, compared.image_split, compared.leak) == (None, None, None)


def test_the_headline_of_a_binary_recipe_is_its_malignant_auc(make_recipe: Callable[..., Recipe]) -> None:
    recipe = make_recipe("task=malignant")
    (first, second) = figure_rows(recipe, {SplitProtocol.LESION: outcome(malignant_auc=0.8, balanced_accuracy=0.7)})
    assert (first.metric, first.headline, first.published, first.published_protocol) == (
        "malignant_auc",
        True,
        None,
        None,
    )
    assert (second.metric, second.headline) == ("balanced_accuracy", False)


def test_without_runs_there_are_no_rows() -> None:
    assert figure_rows(load_recipe("resnet50-binary"), {}) == ()
