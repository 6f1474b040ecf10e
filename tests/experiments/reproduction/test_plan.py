"""Plans: what a file may say, and what the error says where it may not."""

from pathlib import Path

import pytest

from lesionlab.errors import UsageError
from lesionlab.experiments.reproduction import read_plan
from lesionlab.recipes import SplitProtocol, load_recipe, recipe_names


def test_a_plan_names_recipes_changes_remarks_and_arrangements(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(
        '[[run]]\nrecipe = "a"\nset = ["training.epochs=3"]\nremark = "short"\narrangements = ["lesion"]\n'
        '[[run]]\nrecipe = "b"\n'
    )
    first, second = read_plan(path)
    assert (first.recipe, first.changes, first.remark) == ("a", ("training.epochs=3",), "short")
    assert first.protocols == (SplitProtocol.LESION,)
    assert (second.recipe, second.changes, second.remark, second.protocols) == ("b", (), "", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[run]]\nrecipe = "a"\nsets = []', "unknown key run.0.sets; known here: recipe, set, remark, arrangements"),
        ('[[runs]]\nrecipe = "a"', "unknown key runs; known here: run"),
        ("[[run]]\nremark = 'x'", "run.0.recipe is missing"),
        ("run = []", "run: Tuple should have at least 1 item"),
        (
            '[[run]]\nrecipe = "a"\narrangements = ["leaky"]',
            "run.0.arrangements.0: Input should be 'published', 'image'",
        ),
        ('[[run]]\nrecipe = "a"\narrangements = ["lesion", "lesion"]', "an arrangement is named twice"),
        ('[[run]]\nrecipe = "a"\narrangements = []', "run.0.arrangements: Tuple should have at least 1 item"),
        ("[[run", "cannot be read"),
    ],
)
def test_a_wrong_plan_is_refused_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        read_plan(path)
    assert message in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_plan_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing\.toml cannot be read: No such file"):
        read_plan(tmp_path / "missing.toml")


def test_the_plan_of_the_five_systems_fits_the_recipes() -> None:
    plan = read_plan(Path(__file__).parents[2] / "benchmarks" / "five_systems.toml")
    published = [name for name in recipe_names() if load_recipe(name).published]
    assert sorted(one.recipe for one in plan) == published
    for one in plan:
        load_recipe(one.recipe, one.changes)
        assert bool(one.remark) == bool(one.changes)
