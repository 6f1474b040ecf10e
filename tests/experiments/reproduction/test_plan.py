"""Plan files and their errors."""

from pathlib import Path

import pytest

from lesionlab.errors import UsageError
from lesionlab.experiments.reproduction import read_plan
from lesionlab.recipes import SplitProtocol, load_recipe, recipe_names


def test_a_plan_holds_recipes_changes_remarks_and_protocols(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(
        '[[run]]\nrecipe = "a"\nset = ["training.epochs=3"]\nremark = "short"\nprotocols = ["lesion"]\n'
        '[[run]]\nrecipe = "b"\n'
    )
    first, second = read_plan(path)
    assert (first.recipe, first.changes, first.remark) == ("a", ("training.epochs=3",), "short")
    assert first.protocols == (SplitProtocol.LESION,)
    assert (second.recipe, second.changes, second.remark, second.protocols) == ("b", (), "", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[run]]\nrecipe = "a"\nsets = []', "unknown key run.0.sets; known here: recipe, set, remark, protocols"),
        ('[[runs]]\nrecipe = "a"', "unknown key runs; known here: run"),
        ("[[run]]\nremark = 'x'", "run.0.recipe is missing"),
        ("run = []", "run: Tuple should have at least 1 item"),
        (
            '[[run]]\nrecipe = "a"\nprotocols = ["leaky"]',
            "run.0.protocols.0: Input should be 'published', 'image'",
        ),
        ('[[run]]\nrecipe = "a"\nprotocols = ["lesion", "lesion"]', "a split protocol is named twice"),
        ('[[run]]\nrecipe = "a"\nprotocols = []', "run.0.protocols: Tuple should have at least 1 item"),
        ("[[run", "cannot be read"),
    ],
)
def test_an_invalid_plan_is_a_one_line_error(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        read_plan(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_plan_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing\.toml cannot be read: No such file"):
        read_plan(tmp_path / "missing.toml")


def test_the_variants_of_the_mini_set_have_their_own_names() -> None:
    plan = read_plan(Path(__file__).parents[3] / "benchmarks" / "mini_melanoma.toml")
    recipes = [load_recipe(one.recipe, one.changes) for one in plan]
    assert len({recipe.name for recipe in recipes}) == len(recipes)
    assert [recipe.unfreeze.unfold_batch_norm for recipe in recipes] == [False, True, True]
    assert all(recipe.published and one.remark for recipe, one in zip(recipes, plan, strict=True))


def test_the_plan_of_the_five_systems_covers_the_published_recipes() -> None:
    plan = read_plan(Path(__file__).parents[3] / "benchmarks" / "five_systems.toml")
    published = [name for name in recipe_names() if load_recipe(name).published]
    assert sorted(one.recipe for one in plan) == published
    for one in plan:
        load_recipe(one.recipe, one.changes)
        assert bool(one.remark) == bool(one.changes)
