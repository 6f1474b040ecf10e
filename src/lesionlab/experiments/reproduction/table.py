"""The table of a reproduction: published figures, measured figures by split protocol, and their difference."""

from pydantic import Field

from lesionlab import RESEARCH_ONLY
from lesionlab.base_models import StrictModel
from lesionlab.evaluation.predictions import EvaluatedModel
from lesionlab.metrics import Estimate
from lesionlab.recipes import Recipe, SplitProtocol

AT_EQUAL_PRECISION = "melanoma_recall_at_precision"  # measured by a comparison only

_OF_DIAGNOSES = {name: name for name in ("balanced_accuracy", "macro_auc", AT_EQUAL_PRECISION)}
_OF_TWO: dict[str, dict[str, str]] = {
    "malignant": {"malignant_auc": "malignant_auc"},
    # F1 depends on the checkpoint and its threshold; at a low prevalence it is 0 for a model that ranks well.
    "melanoma": {"mel.f1": "melanoma_f1", "mel.auc": "melanoma_auc"},
}


def headlines_of(task: str) -> dict[str, str]:
    """Return the headline figures of a task: the name in `metrics.json`, and the name in a comparison of two runs."""
    return _OF_TWO.get(task, _OF_DIAGNOSES)


class PairedDifference(StrictModel):
    """Paired comparison with another run on the same images.

    Attributes:
        value: Figure of the other run.
        difference: Figure of the other run minus that of the recipe, with a paired bootstrap interval by lesion.
    """

    value: Estimate
    difference: Estimate


class RunOutcome(StrictModel):
    """Result of one recipe under one split protocol.

    Attributes:
        folder: Run folder, relative to that of the reproduction.
        bundle: Identity of the model.
        subset: The evaluated subset.
        unseen: Whether none of its lesions was used for fitting, early stopping or calibration.
        leaky: Whether lesions may be shared between training and test.
        n_images: Number of evaluated images.
        n_lesions: Number of their lesions.
        images: Number of images of each subset, including copies.
        manifest_sha256: Hash of the manifest.
        split_sha256: Hash of the split.
        epochs: Number of trained epochs.
        training_seconds: Duration of the training.
        weights: Source of the starting weights.
        environment: Versions, device and precision of the training.
        figures: Figures by name; `class.metric` for those of a class.
        against: Paired comparisons with another run, by headline figure.
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
    against: dict[str, PairedDifference] = Field(default_factory=dict)


class FigureRow(StrictModel):
    """One figure of one recipe; None where it is unknown or not measured yet.

    Attributes:
        metric: Name of the figure.
        headline: Whether it is a headline figure of the recipe's task.
        published: The published value.
        published_protocol: Measured under the published split.
        image_split: Measured under the published split, with oversampling after it.
        lesion_split: Measured under the split by lesion.
        leak: Value under the published split minus that under the split by lesion.
        against: Comparison with another run on the test images of the split by lesion.
    """

    metric: str
    headline: bool
    published: float | None
    published_protocol: Estimate | None
    image_split: Estimate | None
    lesion_split: Estimate | None
    leak: float | None
    against: PairedDifference | None


class ReproducedRecipe(StrictModel):
    """A recipe with its runs and figures.

    Attributes:
        name: Name of the recipe.
        system: The published system; empty for other recipes.
        task: The task of the model.
        changes: Changed settings.
        remark: Note on the changes.
        note: The recipe's note on the published figures.
        recipe: All settings.
        runs: Results by split protocol, of the finished runs.
        pending: Planned split protocols that are not finished.
        figures: The rows of the table.
        unmeasured: Published figures that are not measured.
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
        """The name with the remark, if any."""
        return f"{self.name} ({self.remark})" if self.remark else self.name


class Reproduction(StrictModel):
    """The content of `reproduction.json`.

    Attributes:
        notice: Limits of use.
        dataset: Sources of the images.
        date: Day of writing, ISO 8601.
        environment: Versions and platform.
        resamples: Number of bootstrap resamples of lesions.
        against: The run that every recipe is compared with.
        recipes: The recipes in the order of the plan.
    """

    notice: str = RESEARCH_ONLY
    dataset: str
    date: str
    environment: dict[str, str]
    resamples: int
    against: EvaluatedModel | None
    recipes: tuple[ReproducedRecipe, ...]


def figure_rows(recipe: Recipe, runs: dict[SplitProtocol, RunOutcome]) -> tuple[FigureRow, ...]:
    """Return the rows of a recipe: headline figures, balanced accuracy and the measured published figures."""
    headlines = tuple(headlines_of(recipe.task))
    published = recipe.published.figures if recipe.published else {}
    measured = {name for run in runs.values() for name in run.figures}
    wanted = dict.fromkeys((*headlines, "balanced_accuracy", *published))
    rows = []
    for name in wanted:
        if name not in measured:
            continue
        found = {protocol: run.figures.get(name) for protocol, run in runs.items()}
        leaky, by_lesion = found.get(SplitProtocol.PUBLISHED), found.get(SplitProtocol.LESION)
        known = leaky and by_lesion and leaky.value is not None and by_lesion.value is not None
        lesion_run = runs.get(SplitProtocol.LESION)
        rows.append(
            FigureRow(
                metric=name,
                headline=name in headlines,
                published=published.get(name),
                published_protocol=leaky,
                image_split=found.get(SplitProtocol.IMAGE),
                lesion_split=by_lesion,
                leak=leaky.value - by_lesion.value if known else None,  # type: ignore[union-attr, operator]  # known
                against=lesion_run.against.get(name) if lesion_run else None,
            )
        )
    return tuple(rows)
