"""The table of a benchmark: what was published, what is measured under either arrangement, and the difference."""

from pydantic import BaseModel, ConfigDict

from lesionlab import RESEARCH_ONLY
from lesionlab.evaluation.predictions_file import Model
from lesionlab.metrics import Estimate
from lesionlab.recipes import Recipe, SplitProtocol

AT_EQUAL_PRECISION = "melanoma_recall_at_precision"  # measured by a comparison alone

# By task, each as `metrics.json` names it and as a comparison of two runs does.
HEADLINES: dict[str, dict[str, str]] = {
    "diagnosis": {
        "balanced_accuracy": "balanced_accuracy",
        "macro_auc": "macro_auc",
        AT_EQUAL_PRECISION: AT_EQUAL_PRECISION,
    },
    "malignant": {"malignant_auc": "malignant_auc"},
    "melanoma": {"mel.f1": "melanoma_f1"},
}


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PairedDifference(_Record):
    """Another run on the same images.

    Attributes:
        value: Its figure.
        difference: Its figure minus the recipe's, the interval from pairs in the same resamples of lesions.
    """

    value: Estimate
    difference: Estimate


class RunOutcome(_Record):
    """What came out of one recipe under one arrangement.

    Attributes:
        folder: The run folder, within that of the benchmark.
        bundle: Identity of the model.
        part: The part that was judged.
        unseen: Whether none of its lesions was used to fit, stop or calibrate the model.
        leaky: Whether images of one lesion may stand on both sides of the split.
        n_images: Number of images judged.
        n_lesions: Number of lesions that they show.
        images: Number of images in each part of the data, copies included.
        manifest_sha256: Hash of the manifest.
        split_sha256: Hash of the split.
        epochs: Epochs trained.
        training_seconds: Time that they took.
        weights: Where the starting weights came from.
        environment: Versions, device and precision of the training.
        figures: By name, with `class.metric` for those of a class.
        against: The paired differences, each that of the other run minus this one's, by headline metric.
    """

    folder: str
    bundle: str
    subset: str
    unseen: bool
    leaky: bool
    n_images: int
    n_lesions: int
    images: dict[str, int]
    manifest_sha256: str
    split_sha256: str
    epochs: int
    training_seconds: float
    weights: str
    environment: dict[str, str]
    figures: dict[str, Estimate]
    against: dict[str, PairedDifference] = {}


class FigureRow(_Record):
    """One figure of one recipe; None stands for what is not known or not run yet.

    Attributes:
        metric: Name of the figure.
        headline: Whether it is one that the recipe's task is judged by.
        published: What the authors published.
        published_protocol: Ours under their arrangement.
        image_split: Ours under their split, without the copies that were made before it.
        lesion_split: Ours under the split by lesion.
        leak: The difference that the arrangement makes: theirs minus the split by lesion.
        against: The other run on the images of the split by lesion.
    """

    metric: str
    headline: bool
    published: float | None
    published_protocol: Estimate | None
    image_split: Estimate | None
    lesion_split: Estimate | None
    leak: float | None
    against: PairedDifference | None


class ReproducedRecipe(_Record):
    """One recipe with its runs and its figures.

    Attributes:
        name: Name of the recipe.
        system: The system that it repeats; empty where it repeats none.
        task: What the model tells apart.
        changes: Settings that were changed.
        remark: What a reader must know of the changes.
        note: The recipe's own note on the published figures.
        recipe: Every setting as it was run.
        runs: What came out, by arrangement; those that are finished.
        pending: Arrangements that are planned and not finished.
        figures: The rows of the table.
        unmeasured: Published figures that cannot be measured here.
    """

    name: str
    system: str
    task: str
    changes: tuple[str, ...]
    remark: str
    note: str
    recipe: Recipe
    runs: dict[SplitProtocol, RunOutcome]
    pending: tuple[SplitProtocol, ...]
    figures: tuple[FigureRow, ...]
    unmeasured: dict[str, float]

    @property
    def title(self) -> str:
        """The name, with the remark wherever there is one."""
        return f"{self.name} ({self.remark})" if self.remark else self.name


class Reproduction(_Record):
    """The content of `benchmark.json`.

    Attributes:
        notice: What the figures are not for.
        dataset: Sources of the images.
        date: Day on which it was written.
        environment: Versions and platform that wrote it.
        resamples: Bootstrap resamples of lesions behind the intervals.
        against: The run that every recipe is compared with.
        recipes: One per recipe, in the order of the plan.
    """

    notice: str = RESEARCH_ONLY
    dataset: str
    date: str
    environment: dict[str, str]
    resamples: int
    against: Model | None
    recipes: tuple[ReproducedRecipe, ...]


def figure_rows(recipe: Recipe, runs: dict[SplitProtocol, RunOutcome]) -> tuple[FigureRow, ...]:
    """Return the rows of a recipe: the headlines, balanced accuracy, and whatever was published and measured."""
    headlines = tuple(HEADLINES[recipe.task])
    published = recipe.published.figures if recipe.published else {}
    measured = {name for run in runs.values() for name in run.figures}
    wanted = dict.fromkeys((*headlines, "balanced_accuracy", *published))
    rows = []
    for name in wanted:
        if name not in measured:
            continue
        found = {protocol: run.figures.get(name) for protocol, run in runs.items()}
        theirs, ours = found.get(SplitProtocol.PUBLISHED), found.get(SplitProtocol.LESION)
        both = theirs is not None and ours is not None and theirs.value is not None and ours.value is not None
        honest = runs.get(SplitProtocol.LESION)
        rows.append(
            FigureRow(
                metric=name,
                headline=name in headlines,
                published=published.get(name),
                published_protocol=theirs,
                image_split=found.get(SplitProtocol.IMAGE),
                lesion_split=ours,
                leak=theirs.value - ours.value if both else None,  # type: ignore[union-attr, operator]  # both tells
                against=honest.against.get(name) if honest else None,
            )
        )
    return tuple(rows)
