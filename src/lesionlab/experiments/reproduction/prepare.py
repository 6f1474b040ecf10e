"""Checks of a complete reproduction before the first training."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lesionlab.data import Manifest, Split
from lesionlab.errors import DataError, UsageError
from lesionlab.evaluation.predictions import Predictions
from lesionlab.evaluation.predictions_file import find_predictions, read_predictions
from lesionlab.experiments import require_same_run
from lesionlab.experiments.reproduction.plan import PlannedRun
from lesionlab.recipes import Recipe, SplitProtocol, check_classes, load_recipe, possible_protocols, prepare_split
from lesionlab.runs import RunFolder
from lesionlab.taxonomy import TASKS
from lesionlab.taxonomy.views import view_of
from lesionlab.training.network import LesionNetwork
from lesionlab.training.weights import load_pretrained


@dataclass(frozen=True)
class PreparedRun:
    """A recipe under one split protocol.

    Attributes:
        recipe: The recipe with all changes.
        protocol: The split protocol.
        manifest: The images.
        split: Their subsets.
        run: The run folder; it may hold this run already.
        subset: The subset to evaluate.
    """

    recipe: Recipe
    protocol: SplitProtocol
    manifest: Manifest
    split: Split
    run: RunFolder
    subset: str

    @property
    def finished(self) -> bool:
        """Whether the training is finished."""
        return self.run.exists() and self.run.record().finished


@dataclass(frozen=True)
class PreparedRecipe:
    """A recipe of the plan with its runs."""

    planned: PlannedRun
    recipe: Recipe
    runs: tuple[PreparedRun, ...]


def prepare(
    planned: Sequence[PlannedRun], manifest: Manifest, out: Path, *, against: Predictions | None = None
) -> tuple[PreparedRecipe, ...]:
    """Check every recipe and split protocol: settings, network, starting weights, images and run folders.

    Args:
        planned: The plan.
        manifest: The complete dataset.
        out: Output folder; the runs are written to `<recipe>/<protocol>` in it.
        against: Predictions of a run to compare with.

    Raises:
        UsageError: A recipe is invalid or planned twice, or its folder holds another run.
        DataError: The data or the weights cannot be used, or the images of the comparison differ.
    """
    prepared: list[PreparedRecipe] = []
    for one in planned:
        recipe = load_recipe(one.recipe, one.changes)
        if any(recipe.name == other.recipe.name for other in prepared):
            raise UsageError(f"recipe {recipe.name} is planned twice; run one of them in a separate reproduction")
        runs = tuple(_prepared_runs(one, recipe, manifest, out))
        if against is not None:
            for run in runs:
                _check_against(run, against)
        if not all(run.finished for run in runs):
            _check_network(recipe)
        prepared.append(PreparedRecipe(one, recipe, runs))
    return tuple(prepared)


def read_against(path: Path) -> Predictions:
    """Return the predictions of a finished run for its test subset.

    Raises:
        DataError: It is not a run, not finished, or not evaluated on its test subset.
    """
    if not RunFolder(path).record().finished:
        raise DataError(f"{path} is not finished; run the same `lesionlab train` command again to resume it")
    return read_predictions(find_predictions(path, "test"))


def _prepared_runs(planned: PlannedRun, recipe: Recipe, manifest: Manifest, out: Path) -> Iterator[PreparedRun]:
    for protocol in planned.protocols or possible_protocols(recipe):
        images, split = prepare_split(recipe, manifest, protocol)
        published = None if protocol is SplitProtocol.LESION else recipe.published
        subset = published.subset if published else "test"
        if not split.subsets()[subset]:
            raise DataError(f"recipe {recipe.name}: the split protocol {protocol} has no {subset} images")
        check_classes(recipe, images, split)
        run = PreparedRun(recipe, protocol, images, split, RunFolder(out / recipe.name / protocol), subset)
        require_same_run(run.run, recipe, images, split)
        yield run


def _check_network(recipe: Recipe) -> None:
    network = LesionNetwork(recipe)
    if recipe.unfreeze.layers:
        network.unfreeze_top(recipe.unfreeze.layers)
    if recipe.model.pretrained:
        load_pretrained(network.backbone, recipe.model.backbone)


def _check_against(prepared: PreparedRun, against: Predictions) -> None:
    if prepared.protocol is not SplitProtocol.LESION:
        return
    if view_of(against.task, TASKS[prepared.recipe.task]) is None:
        raise UsageError(
            f"{against.model.predictions} is of task {against.task.name}, recipe {prepared.recipe.name} of task "
            f"{prepared.recipe.task}; compare with a run of its classes or of single diagnoses"
        )
    if set(against.image_ids) != set(prepared.split.subsets()["test"]):
        raise DataError(
            f"{against.model.predictions} holds other images than the test subset of recipe {prepared.recipe.name}; "
            "compare with a run on the same dataset and split"
        )
