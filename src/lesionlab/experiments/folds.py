"""The folds of a cross-validation: the run of each, with its split and its recipe."""

from dataclasses import dataclass
from pathlib import Path

from lesionlab.data import Manifest, Split, leave_source_out, lesion_sources, make_split
from lesionlab.data.groups import UNKNOWN
from lesionlab.errors import DataError, UsageError
from lesionlab.recipes import Recipe
from lesionlab.runs import RunFolder

# Placeholder for the fold in the names of the runs that a recipe depends on.
FOLD_PLACEHOLDER = "{fold}"


@dataclass(frozen=True)
class Fold:
    """A planned run.

    Attributes:
        recipe: The recipe with the starting weights and teachers of the fold.
        run: Its run folder.
        split: The split that it is trained with.
        fold: Its fold in a split with folds; None for a split of its own.
        source: The source that is held out; None for folds by lesion.
    """

    recipe: Recipe
    run: RunFolder
    split: Split
    fold: int | None
    source: str | None = None


def folds_by_lesion(recipe: Recipe, manifest: Manifest, out: Path, folds: int) -> list[Fold]:
    """Plan folds of lesions, each of which is the test subset once."""
    shares = recipe.split
    split = make_split(
        manifest, test=0, seed=shares.seed, folds=folds, by_image=shares.by_image, rare=bool(manifest.parts)
    )
    return [Fold(of_fold(recipe, k), RunFolder(out / f"fold-{k}"), split, k) for k in range(folds)]


def folds_by_source(recipe: Recipe, manifest: Manifest, out: Path) -> list[Fold]:
    """Plan one fold for each source, in the order of their names.

    Raises:
        UsageError: There is one source, or the recipe splits by image.
        DataError: Images have no source.
    """
    if recipe.split.by_image:
        raise UsageError("split.by_image: folds by source never divide a lesion; set split.by_image=false")
    sources = sorted(set(lesion_sources(manifest).values()))
    if UNKNOWN in sources:
        count = sum(record.source == UNKNOWN for record in manifest)
        raise DataError(
            f"{manifest.root}: {count} images have no source; give it with --columns source=COLUMN, or --metadata"
        )
    if len(sources) == 1:
        raise UsageError(f"{manifest.root}: all images have the source {sources[0]}; folds by source need at least two")
    plan = []
    for k, source in enumerate(sources):
        split = leave_source_out(manifest, source, validation=recipe.split.validation, seed=recipe.split.seed)
        plan.append(Fold(of_fold(recipe, k), RunFolder(out / f"fold-{k}"), split, None, source))
    return plan


def of_fold(recipe: Recipe, fold: int) -> Recipe:
    """Return a recipe with the starting weights and teachers of a fold."""
    start = recipe.model.start.replace(FOLD_PLACEHOLDER, str(fold)) if recipe.model.start else recipe.model.start
    teachers = tuple(teacher.replace(FOLD_PLACEHOLDER, str(fold)) for teacher in recipe.distillation.teachers)
    return recipe.model_copy(
        update={
            "model": recipe.model.model_copy(update={"start": start}),
            "distillation": recipe.distillation.model_copy(update={"teachers": teachers}),
        }
    )
