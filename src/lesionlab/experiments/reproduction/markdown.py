"""The table of a benchmark for readers: rows of text, and the page `benchmark.md`."""

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
    SplitProtocol.PUBLISHED: "Published arrangement",
    SplitProtocol.IMAGE: "Split by image, copies after it",
    SplitProtocol.LESION: "Split by lesion",
}


def headings(benchmark: Reproduction) -> list[str]:
    """Return the headings of the table."""
    found = ["recipe", "figure", "published", "published arrangement", "split by lesion (95%)", "leak"]
    if _has_image_splits(benchmark):
        found.insert(4, "split by image, copies after it")
    if benchmark.against:
        found += ["compared run", "compared run - recipe (95%)"]
    return found


def cells(benchmark: Reproduction, recipe: ReproducedRecipe, row: FigureRow) -> list[str]:
    """Return one row of the table as text."""
    theirs, by_image, honest = (recipe.runs.get(protocol) for protocol in SplitProtocol)
    shown = [
        recipe.title,
        row.metric.replace("_", " "),
        NOTHING if row.published is None else f"{row.published:g}",
        _marked(row.published_protocol, theirs, limits=False),
        _marked(row.lesion_split, honest, limits=True),
        NOTHING if row.leak is None else f"{row.leak:+.3f}",
    ]
    if _has_image_splits(benchmark):
        shown.insert(4, _marked(row.image_split, by_image, limits=False))
    if benchmark.against:
        pair = row.against
        mark = f" {LEAKY}" if benchmark.against.leaky else ""
        shown += [NOTHING, NOTHING] if pair is None else [number(pair.value.value) + mark, _signed(pair.difference)]
    return shown


def render_markdown(benchmark: Reproduction) -> str:
    """Return `benchmark.md`: the table, and what a reader must know beside it."""
    lines = [f"# Benchmark on {benchmark.dataset}", "", benchmark.notice, ""]
    columns = headings(benchmark)
    lines += [_line(columns), _line(["---", "---", *["---:"] * (len(columns) - 2)])]
    lines += [_line(cells(benchmark, recipe, row)) for recipe in benchmark.recipes for row in recipe.figures]
    lines += ["", *(f"- {note}" for note in general_notes(benchmark)), "", "## Recipes", ""]
    for recipe in benchmark.recipes:
        lines += [f"- **{recipe.title}**: {' '.join(_sentences(recipe))}"]
    return "\n".join(lines) + "\n"


def general_notes(benchmark: Reproduction) -> list[str]:
    """Return what holds for the whole table."""
    runs = [run for recipe in benchmark.recipes for run in recipe.runs.values()]
    notes = [f"Intervals are 95% from {benchmark.resamples:,} resamples of lesions."]
    if any(run.leaky for run in runs):
        notes.append(
            f'A figure marked "{LEAKY}" is too good: images of one lesion may stand on both sides of its split.'
        )
    if any(row.leak is not None for recipe in benchmark.recipes for row in recipe.figures):
        notes.append(
            "The leak is the figure under the published arrangement minus that under the split by lesion. It also "
            "holds whatever else differs: which images are judged, how many, and in which shares the classes come."
        )
    if benchmark.against:
        notes.append(
            f"The compared run is {benchmark.against.name}, judged on the test images of the split by lesion; "
            "a difference above zero is in its favour."
        )
    rows = [row for recipe in benchmark.recipes for row in recipe.figures]
    if any(row.metric == AT_EQUAL_PRECISION for row in rows):
        notes.append(
            "Melanoma recall at precision: the share of the melanomas found at the threshold that finds most with at "
            "least the precision of the recipe's own calls of melanoma, for the recipe and for the compared run."
        )
    pending = [f"{recipe.name} ({', '.join(recipe.pending)})" for recipe in benchmark.recipes if recipe.pending]
    if pending:
        notes.append(f"Not finished yet: {'; '.join(pending)}.")
    return notes


def _has_image_splits(benchmark: Reproduction) -> bool:
    return any(SplitProtocol.IMAGE in recipe.runs for recipe in benchmark.recipes)


def _sentences(recipe: ReproducedRecipe) -> Sequence[str]:
    found = [f"{recipe.system}; task {recipe.task}." if recipe.system else f"Task {recipe.task}."]
    if recipe.changes:
        found.append(f"Changed: {', '.join(f'`{change}`' for change in recipe.changes)}.")
    if recipe.note:
        found.append(recipe.note)
    for protocol, run in recipe.runs.items():
        name = _NAMES[protocol]
        seen = "" if run.unseen else ", which also chose the epoch and the calibration"
        parts = ", ".join(f"{count:,} {subset}" for subset, count in run.images.items())
        found.append(
            f"{name}: judged on the {run.subset} part{seen} ({counted(run.n_images, 'image')} of "
            f"{counted(run.n_lesions, 'lesion')}; images: {parts}); {counted(run.epochs, 'epoch')} in "
            f"{run.training_seconds:,.0f} s on {run.environment['device']}."
        )
    if recipe.unmeasured:
        listed = ", ".join(f"{name} {value:g}" for name, value in recipe.unmeasured.items())
        found.append(f"Published and not measured here: {listed}.")
    return found


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
