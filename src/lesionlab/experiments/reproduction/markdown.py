"""The table of a reproduction as text, and the document `reproduction.md`."""

from collections.abc import Sequence

from lesionlab.evaluation.wording import LEAKY, UNDEFINED, counted, interval, number
from lesionlab.experiments.reproduction.table import (
    AT_EQUAL_PRECISION,
    FigureRow,
    ReproducedRecipe,
    Reproduction,
    RunOutcome,
)
from lesionlab.metrics import Estimate
from lesionlab.recipes import SplitProtocol

NOTHING = "-"
_NAMES = {
    SplitProtocol.PUBLISHED: "Published split",
    SplitProtocol.IMAGE: "Split by image, oversampled afterwards",
    SplitProtocol.LESION: "Split by lesion",
}


def headings(reproduction: Reproduction) -> list[str]:
    """Return the headings of the table."""
    found = ["recipe", "figure", "published", "published split", "split by lesion (95%)", "leak"]
    if _has_image_splits(reproduction):
        found.insert(4, "split by image, oversampled afterwards")
    if reproduction.against:
        found += ["compared run", "compared run - recipe (95%)"]
    return found


def cells(reproduction: Reproduction, recipe: ReproducedRecipe, row: FigureRow) -> list[str]:
    """Return one row of the table as text."""
    published, by_image, by_lesion = (recipe.runs.get(protocol) for protocol in SplitProtocol)
    shown = [
        recipe.title,
        row.metric.replace("_", " "),
        NOTHING if row.published is None else f"{row.published:g}",
        _marked(row.published_protocol, published, limits=False),
        _marked(row.lesion_split, by_lesion, limits=True),
        NOTHING if row.leak is None else f"{row.leak:+.3f}",
    ]
    if _has_image_splits(reproduction):
        shown.insert(4, _marked(row.image_split, by_image, limits=False))
    if reproduction.against:
        pair = row.against
        mark = f" {LEAKY}" if reproduction.against.leaky else ""
        shown += [NOTHING, NOTHING] if pair is None else [number(pair.value.value) + mark, _signed(pair.difference)]
    return shown


def render_markdown(reproduction: Reproduction) -> str:
    """Return `reproduction.md`: the table with notes."""
    lines = [f"# Reproduction on {reproduction.dataset}", "", reproduction.notice, ""]
    columns = headings(reproduction)
    lines += [_line(columns), _line(["---", "---", *["---:"] * (len(columns) - 2)])]
    lines += [_line(cells(reproduction, recipe, row)) for recipe in reproduction.recipes for row in recipe.figures]
    lines += ["", *(f"- {note}" for note in general_notes(reproduction)), "", "## Recipes", ""]
    for recipe in reproduction.recipes:
        lines += [f"- **{recipe.title}**: {' '.join(_notes(recipe))}"]
    return "\n".join(lines) + "\n"


def general_notes(reproduction: Reproduction) -> list[str]:
    """Return the notes for the whole table."""
    runs = [run for recipe in reproduction.recipes for run in recipe.runs.values()]
    notes = [f"Intervals are 95% from {reproduction.resamples:,} resamples of lesions."]
    if any(run.leaky for run in runs):
        notes.append(f'Figures marked "{LEAKY}" are optimistic: lesions are shared between training and test.')
    if any(row.leak is not None for recipe in reproduction.recipes for row in recipe.figures):
        notes.append(
            "The leak is the figure under the published split minus the one under the split by lesion. It includes "
            "other differences of the two test sets: images, size and class frequencies."
        )
    if reproduction.against:
        notes.append(
            f"The compared run is {reproduction.against.name}, on the test images of the split by lesion; a positive "
            "difference is in its favour."
        )
    rows = [row for recipe in reproduction.recipes for row in recipe.figures]
    if any(row.metric == AT_EQUAL_PRECISION for row in rows):
        notes.append(
            "Melanoma recall at precision: the highest recall at a threshold with at least the precision of the "
            "recipe's own melanoma predictions, for the recipe and for the compared run."
        )
    pending = [f"{recipe.name} ({', '.join(recipe.pending)})" for recipe in reproduction.recipes if recipe.pending]
    if pending:
        notes.append(f"Not finished: {'; '.join(pending)}.")
    return notes


def _has_image_splits(reproduction: Reproduction) -> bool:
    return any(SplitProtocol.IMAGE in recipe.runs for recipe in reproduction.recipes)


def _notes(recipe: ReproducedRecipe) -> Sequence[str]:
    notes = [f"{recipe.system}; task {recipe.task}." if recipe.system else f"Task {recipe.task}."]
    if recipe.changes:
        notes.append(f"Changed: {', '.join(f'`{change}`' for change in recipe.changes)}.")
    if recipe.note:
        notes.append(recipe.note)
    for protocol, run in recipe.runs.items():
        name = _NAMES[protocol]
        seen = "" if run.unseen else ", which also selected the epoch and the calibration"
        counts = ", ".join(f"{count:,} {subset}" for subset, count in run.images.items())
        notes.append(
            f"{name}: measured on the {run.subset} subset{seen} ({counted(run.n_images, 'image')} of "
            f"{counted(run.n_lesions, 'lesion')}; images: {counts}); {counted(run.epochs, 'epoch')} in "
            f"{run.training_seconds:,.0f} s on {run.environment['device']}."
        )
    if recipe.unmeasured:
        listed = ", ".join(f"{name} {value:g}" for name, value in recipe.unmeasured.items())
        notes.append(f"Published, not measured: {listed}.")
    return notes


def _marked(estimate: Estimate | None, run: RunOutcome | None, *, limits: bool) -> str:
    if estimate is None or run is None:
        return NOTHING
    if estimate.value is None:
        return UNDEFINED
    around = f" ({interval(estimate)})" if limits and interval(estimate) else ""
    return number(estimate.value) + around + (f" {LEAKY}" if run.leaky else "")


def _signed(estimate: Estimate) -> str:
    if estimate.value is None:
        return UNDEFINED
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:+.3f}"
    return f"{estimate.value:+.3f} ({estimate.low:+.3f} to {estimate.high:+.3f})"


def _line(values: Sequence[str]) -> str:
    return "| " + " | ".join(value.replace("|", "\\|") for value in values) + " |"
