"""Teachers are evaluated on the student's images and must have been trained with the same split."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from lesionlab.bundle import Bundle
from lesionlab.data import Manifest
from lesionlab.errors import DataError
from lesionlab.prediction import Predictor
from lesionlab.recipes import Recipe
from lesionlab.runs import RunFolder
from lesionlab.training import train_recipe
from lesionlab.training.distillation import Teacher, TeacherRuns

MakeRecipe = Callable[..., Recipe]


def teachers(*runs: RunFolder) -> str:
    return f"distillation.teachers={[str(run.path) for run in runs]}"


def load_teacher(recipe: Recipe, run: RunFolder) -> Teacher:
    runs = TeacherRuns(recipe, run.split(), None)
    return Teacher(runs.networks, runs.sizes, recipe.distillation)


@pytest.fixture
def student_recipe(tiny_run: RunFolder, make_recipe: MakeRecipe) -> Recipe:
    return make_recipe(teachers(tiny_run), "distillation.weight=0.9")


def test_teacher_logits_equal_those_of_the_run(
    tiny_run: RunFolder, student_recipe: Recipe, make_recipe: MakeRecipe
) -> None:
    teacher = load_teacher(student_recipe, tiny_run)
    side = Bundle.load(tiny_run.path).info.preprocessing.size
    pixels = np.random.default_rng(0).integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    expected = Predictor.load(tiny_run.path).predict_logits(list(pixels))
    np.testing.assert_allclose(teacher.logits(images).numpy(), expected, atol=1e-4)
    own = torch.from_numpy(expected)
    any_class = torch.ones(3, 7)
    assert teacher.loss(own, images, any_class).item() == pytest.approx(0, abs=1e-4)
    assert teacher.loss(-own, images, any_class).item() > 0.001
    assert teacher.logits(images[:, :, ::2, ::2]).shape == (3, 7)
    both = load_teacher(make_recipe(teachers(tiny_run, tiny_run)), tiny_run)
    torch.testing.assert_close(both.logits(images), teacher.logits(images))


def test_flips_average_the_logits_of_all_four_views(tiny_run: RunFolder, make_recipe: MakeRecipe) -> None:
    images = torch.rand(3, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    once, flips = (
        load_teacher(make_recipe(teachers(tiny_run), f"distillation.tta={views}"), tiny_run)
        for views in ("none", "flips")
    )
    views = [images, images.flip(3), images.flip(2), images.flip((2, 3))]
    expected = torch.stack([once.logits(view) for view in views]).mean(dim=0)
    torch.testing.assert_close(flips.logits(images), expected)
    torch.testing.assert_close(flips.logits(images.flip(3)), expected)
    assert not torch.allclose(once.logits(images), expected)


def test_a_teacher_is_followed_as_far_as_it_agrees_with_the_label(tiny_run: RunFolder, make_recipe: MakeRecipe) -> None:
    images = torch.rand(4, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    plain, by_label = (
        load_teacher(make_recipe(teachers(tiny_run), f"distillation.by_label={value}"), tiny_run)
        for value in ("false", "true")
    )
    student, classes = torch.zeros(4, 7), torch.eye(7)
    probabilities = by_label.logits(images).softmax(dim=1)
    for allowed in (classes[[0, 1, 2, 3]], classes[[5] * 4] + classes[[6] * 4], torch.ones(4, 7)):
        alone = [plain.loss(student[:1], image, allowed[:1]).item() for image in images[:, None]]
        expected = np.mean((probabilities * allowed).sum(dim=1).numpy() * alone)
        assert by_label.loss(student, images, allowed).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_distillation_changes_training_and_is_recorded(
    tiny_run: RunFolder, student_recipe: Recipe, phantoms: Manifest, make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    student = train_recipe(student_recipe, phantoms, tmp_path / "student")
    assert student.record().environment["teacher"].startswith(f"{tiny_run.recipe().name}@")
    alone = train_recipe(make_recipe(), phantoms, tmp_path / "alone")
    assert student.read_history()[-1]["train_loss"] != alone.read_history()[-1]["train_loss"]


def test_a_teacher_with_another_split_or_task_is_an_error(
    student_recipe: Recipe, phantoms: Manifest, make_recipe: MakeRecipe, tiny_run: RunFolder, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="another split or fold, possibly on validation or test lesions"):
        train_recipe(
            student_recipe.model_copy(update={"split": student_recipe.split.model_copy(update={"seed": 9})}),
            phantoms,
            tmp_path / "a",
        )
    other_task = make_recipe(teachers(tiny_run), "task=melanoma")
    with pytest.raises(DataError, match="is of task diagnosis, not melanoma"):
        train_recipe(other_task, phantoms, tmp_path / "b")
    with pytest.raises(DataError, match="not a run folder"):
        train_recipe(make_recipe("distillation.teachers=['nowhere']"), phantoms, tmp_path / "c")
    assert not list(tmp_path.iterdir())
