"""Loading and validating recipes; errors name the key."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.errors import RecipeError
from lesionlab.images import Preprocessing
from lesionlab.recipes import Recipe, load_recipe, recipe_names

SMALLEST = """
name = "mine"
description = "A test."
[model]
backbone = "resnet18"
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], str]:
    def write_recipe(text: str) -> str:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write_recipe


def test_the_library_is_not_empty() -> None:
    stored = (files("lesionlab.recipes") / "library").iterdir()
    assert recipe_names() == sorted(path.name.removesuffix(".toml") for path in stored)
    assert {"efficientnet-lite0", "phantom-demo"} <= set(recipe_names())


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_of_the_library_is_valid(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.licence != "unspecified"
    assert not recipe.split.by_image or "leaky" in recipe.description.lower()
    assert Preprocessing(**recipe.input.model_dump()).size == recipe.input.size


@pytest.mark.parametrize("name", recipe_names())
def test_a_saved_recipe_is_the_same_recipe(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name, ["training.epochs=3", "input.mean=[0.1, 0.2, 0.3]"])
    (tmp_path / "recipe.toml").write_text(
        tomli_w.dumps(recipe.model_dump(mode="json", exclude_none=True)), encoding="utf-8"
    )
    assert load_recipe(str(tmp_path / "recipe.toml")) == recipe


def test_omitted_settings_have_defaults(write: Callable[[str], str]) -> None:
    recipe = load_recipe(write(SMALLEST))
    assert (recipe.model.backbone, recipe.model.pretrained) == ("resnet18", True)
    assert (recipe.training.batch_size, recipe.input.size, recipe.split.by_image) == (32, 224, False)


@pytest.mark.parametrize(
    ("addition", "reason"),
    [
        ("[training]\nepoch = 3", r"mine\.toml: unknown key training\.epoch; did you mean epochs\?"),
        ("[trainin]\nepochs = 3", r"unknown key trainin; did you mean training\?"),
        ("[training]\nzzz = 3", r"unknown key training\.zzz; known here: epochs, batch_size, "),
        ("[training]\nepochs = 0", r"training\.epochs: Input should be greater than or equal to 1 \(found 0\)"),
        ('[training]\nepochs = "many"', r"training\.epochs: Input should be a valid integer.*\(found 'many'\)"),
        ("training = 3", r"model\.training"),
        ("[training]\nbatch_size = 1", r"training\.batch_size: "),
        (
            '[training]\nmonitor = "f1"',
            r"training\.monitor: Input should be 'balanced_accuracy', 'accuracy', 'macro_f1', 'macro_auc', 'within_s",
        ),
        ("[split]\ntest = 0.7", r"split\.test: Input should be less than 0.5"),
        ("[augmentation]\nscale = [1.2, 0.8]", r"augmentation: scale must be a range such as \[0\.8, 1\.25\]"),
        ("[augmentation]\nscale = [1.2]", r"augmentation\.scale\.1 is missing"),
        ("[input]\nmean = [0.5, 0.5]", r"input\.mean\.2 is missing"),
        ('[loss]\nclass_weights = "focal"', r"loss\.class_weights: "),
        ("[head]\nhidden = [8, 4]\nhidden_dropout = [0.1]", r"head: hidden_dropout has 1 values for 2 hidden layers"),
        ("[head]\nsigmoid = true", r"head\.sigmoid: task diagnosis has 7 classes"),
        ("[loss.alpha]\nmel = 1.0", r"loss\.alpha must name each class of task diagnosis once: "),
        ('[sampling]\nbalance = "smote"', r"sampling\.balance: smote works on cached features of a frozen backbone"),
        ("[unfreeze]\nlayers = 2", r"unfreeze\.layers: the backbone is not frozen; set model\.freeze=true"),
        ("[crop]\nsource = 448", r"crop\.source requires crop\.segmentation"),
        ("[crop]\nsegmentation = 'default'\nsource = 128", r"at least input\.size, 224"),
        ("[training]\nsizes = [64, 32]", r"training\.sizes must rise to input\.size, 224"),
        ("[training]\nepochs = 1\nsizes = [128, 224]", r"training\.sizes: there are more sizes than the 1 epochs"),
        ("[head]\npool = 'flatten'\n[training]\nsizes = [128, 224]", r"training\.sizes: a frozen backbone or a flat"),
        ("[split]\nseed = 0.5", r"split\.seed: "),
        ("[training]\nepochs = 0\nbatch_size = 0", r"training\.epochs: .*; training\.batch_size: "),
        ("[training\n", r"mine\.toml is not valid TOML: .*line 6"),
        ("[model]\n", r"mine\.toml is not valid TOML: Cannot declare"),
    ],
)
def test_an_error_names_its_key(write: Callable[[str], str], addition: str, reason: str) -> None:
    with pytest.raises(RecipeError, match=reason) as caught:
        load_recipe(write(SMALLEST + addition))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('name = "mine"\ndescription = ""', "model is missing"),
        (SMALLEST.replace("backbone", "backbon"), r"model\.backbone is missing; unknown key model\.backbon; did you"),
        (SMALLEST.replace("mine", "My Recipe"), "name: String should match pattern"),
        ("seed = -1" + SMALLEST, "seed: Input should be greater than or equal to 0"),
    ],
)
def test_a_missing_key_is_an_error(write: Callable[[str], str], text: str, reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        load_recipe(write(text))


def test_settings_are_changed_by_their_key() -> None:
    changes = [
        "training.epochs=3",
        'model.backbone="resnet34"',
        "loss.class_weights=none",
        "model.pretrained=false",
        "augmentation.scale=[0.9, 1.1]",
        " optimizer.learning_rate = 1e-4 ",
        "training.epochs=4",
    ]
    recipe = load_recipe("efficientnet-lite0", changes)
    assert (recipe.training.epochs, recipe.model.backbone, recipe.loss.class_weights) == (4, "resnet34", "none")
    assert (recipe.model.pretrained, recipe.augmentation.scale) == (False, (0.9, 1.1))
    assert recipe.optimizer.learning_rate == 1e-4
    assert recipe.training.batch_size == load_recipe("efficientnet-lite0").training.batch_size


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("training.epochs", r"'training\.epochs' is not of the form table\.key=value"),
        ("", "is not of the form"),
        ("training.epoch=3", r"unknown key training\.epoch; did you mean epochs\?"),
        ("epochs=3", r"unknown key epochs"),
        ("training.epochs=three", r"training\.epochs: .*'three'"),
        ("training.epochs.more=3", r"training\.epochs\.more: epochs is a value, not a table"),
        ("training=3", "training: "),
        ("=3", "unknown key"),
    ],
)
def test_an_invalid_change_is_an_error(change: str, reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        load_recipe("efficientnet-lite0", [change])


@pytest.mark.slow
@given(st.text(max_size=40))
def test_any_change_is_valid_or_a_recipe_error(change: str) -> None:
    try:
        recipe = load_recipe("phantom-demo", [change])
    except RecipeError as error:
        assert str(error)  # noqa: PT017 - both ends are right
    else:
        assert isinstance(recipe, Recipe)


def test_an_unknown_name_suggests_the_closest_one() -> None:
    with pytest.raises(RecipeError, match=r"no recipe is called 'eficientnet-lite'; did you mean efficientnet-lite0\?"):
        load_recipe("eficientnet-lite")
    with pytest.raises(
        RecipeError, match="no recipe is called 'zzz'; there are: custom-cnn-oversampled, efficientnet-lite0, "
    ):
        load_recipe("zzz")


def test_an_unreadable_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"recipe .*none\.toml cannot be read: No such file"):
        load_recipe(str(tmp_path / "none.toml"))
    (tmp_path / "latin.toml").write_bytes('name = "é"'.encode("latin-1"))
    with pytest.raises(RecipeError, match=r"latin\.toml cannot be read: .*utf-8"):
        load_recipe(str(tmp_path / "latin.toml"))
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(RecipeError, match="Is a directory"):
        load_recipe(str(tmp_path / "folder.toml"))
