"""Predictions as people read them: a line per image, or one image in full."""

from rich.console import Console
from rich.text import Text

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import BundleInfo
from lesionlab.prediction import Prediction, SimilarCase
from lesionlab.prediction.similar import SIMILARITY_MEANING
from lesionlab.segmentation import LesionMeasures
from lesionlab.taxonomy import TASKS, Risk

RISK_STYLE = {Risk.HIGH: "bold red", Risk.MODERATE: "yellow", Risk.LOW: "green"}
_BAR_WIDTH = 24
_NUMBERS_WIDTH = 66  # what stands to the right of the image's name
_PIPED_NAME_WIDTH = 40


def printable(text: str) -> str:
    """Return `text` on one line and without control characters: a file's name may hold any."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def leaky_warning(info: BundleInfo) -> str | None:
    """Return the warning that travels with a model trained on a leaky split, None for any other."""
    if not info.training_data.leaky:
        return None
    return "leaky: this model saw lesions in training that it was judged on; its figures are too good"


def _found(prediction: Prediction, info: BundleInfo) -> float:
    """Return the probability of what is looked for."""
    return sum(prediction.probabilities[code] for code in TASKS[info.task].findings[info.looked_for])


class PredictionTable:
    """A table whose rows appear as they come."""

    def __init__(self, console: Console, info: BundleInfo, risk_meaning: str) -> None:
        self._console = console
        self._info = info
        self._risk_meaning = risk_meaning
        # A narrow terminal shortens the names; a file or a pipe gets them whole.
        self._limit = max(16, min(48, console.width - _NUMBERS_WIDTH)) if console.is_terminal else None
        self._width = self._limit or _PIPED_NAME_WIDTH
        found = f"P({info.looked_for})"
        answer = "answer" if TASKS[info.task].binary else "diagnosis"
        heading = f"{'image':<{self._width}}  {'prob.':>6}  {found:>12}  {'risk':<8}  {answer}"
        console.print(Text(heading, style="bold"), soft_wrap=True)

    def add(self, prediction: Prediction) -> None:
        """Print one row."""
        best = prediction.top[0]
        name = printable(prediction.path)
        if self._limit is not None and len(name) > self._limit:
            name = "…" + name[1 - self._limit :]
        row = Text(f"{name:<{self._width}}  {best.probability:>6.1%}  {_found(prediction, self._info):>12.1%}  ")
        row.append(f"{prediction.risk.value:<8}", style=RISK_STYLE[prediction.risk])
        row.append(f"  {best.name}")
        self._console.print(row, soft_wrap=True)
        _print_refusal(self._console, prediction, indent="  ")
        for note in prediction.notes:
            self._console.print(Text(f"  note: {note}", style="dim"), soft_wrap=True)

    def close(self) -> None:
        """Print what belongs under the table."""
        self._console.print()
        print_footer(self._console, self._info, self._risk_meaning)


def print_prediction(
    console: Console,
    prediction: Prediction,
    info: BundleInfo,
    risk_meaning: str,
    similar: tuple[SimilarCase, ...] | None = None,
    lesion: LesionMeasures | None = None,
) -> None:
    """Print one image in full: whether it can be judged, its risk, all probabilities as bars, and the notes."""
    _print_refusal(console, prediction)
    best = prediction.top[0]
    title = Text(f"{printable(prediction.path)}: ")
    title.append(best.name, style="bold")
    title.append(f" {best.probability:.1%}, ")
    title.append(f"{prediction.risk.value} risk", style=RISK_STYLE[prediction.risk])
    console.print(title, soft_wrap=True)
    suspicion, task = prediction.suspicion[info.looked_for], TASKS[info.task]
    found = _found(prediction, info)
    console.print(Text(f"P({info.looked_for}) {found:.1%}"))
    if abs(found - suspicion) > 1e-9:
        told = f"  {suspicion:.1%} at the frequencies of the training data, which thresholds are compared with"
        console.print(Text(told), soft_wrap=True)
    for point in info.operating_points:
        reached = "at or above" if prediction.suspicion[point.looked_for] >= point.threshold else "below"
        cost = f"{point.measured_on}: sensitivity {point.sensitivity:.3f}, specificity {point.specificity:.3f}"
        threshold = f"{point.threshold:.1%}, the threshold for {point.purpose}"
        console.print(Text(f"  {reached} {threshold} ({cost})"), soft_wrap=True)
    console.print()
    code_width = max(map(len, task.classes)) + 1
    marked = () if task.binary else task.malignant  # a class of two says it by its name
    for code, probability in sorted(prediction.probabilities.items(), key=lambda item: -item[1]):
        filled = round(probability * _BAR_WIDTH)
        row = Text(f"  {code:<{code_width}}{probability:>6.1%}  ")
        row.append("█" * filled, style=RISK_STYLE[task.risk_of(code)])
        row.append("·" * (_BAR_WIDTH - filled), style="dim")
        row.append(f"  {task.name_of(code)}" + (" (malignant)" if code in marked else ""))
        console.print(row, soft_wrap=True)
    if (sets := prediction.prediction_set) is not None:
        console.print()
        of_each = (
            f"; {', '.join(sets.by_class)} with {sets.coverage:.0%} for each {'class' if task.binary else 'diagnosis'}"
        )
        told = f"not ruled out, with {sets.coverage:.0%} coverage: {', '.join(sets.marginal)}{of_each}"
        console.print(Text(told), soft_wrap=True)
    _print_lesion(console, lesion)
    _print_similar(console, similar or ())
    for note in prediction.notes:
        console.print(Text(f"note: {note}", style="dim"), soft_wrap=True)
    console.print()
    print_footer(console, info, risk_meaning)


def _print_lesion(console: Console, lesion: LesionMeasures | None) -> None:
    if lesion is None:
        return
    console.print()
    console.print("the lesion, as a network has outlined it (plain measures, no second diagnosis):")
    for line in lesion.in_words():
        console.print(Text(f"  {line}"), soft_wrap=True)


def _print_similar(console: Console, cases: tuple[SimilarCase, ...]) -> None:
    if not cases:
        return
    console.print()
    told = f"most similar training cases, with the dataset's own diagnoses (similarity {SIMILARITY_MEANING}):"
    console.print(Text(told), soft_wrap=True)
    names = [printable(case.image_id) for case in cases]
    for name, case in zip(names, cases, strict=True):
        row = f"  {name:<{max(map(len, names))}}  {case.similarity:.2f}  {case.name}"
        console.print(Text(row), soft_wrap=True)


def _print_refusal(console: Console, prediction: Prediction, indent: str = "") -> None:
    for reason in prediction.refusal.reasons if prediction.refusal else ():
        console.print(Text(f"{indent}not to be relied on: {reason.message}", style="bold magenta"), soft_wrap=True)


def print_footer(console: Console, info: BundleInfo, risk_meaning: str) -> None:
    """Print the model, what its risk levels mean, its leak if it has one, and what results are for."""
    lifted = "; the answer lifts rare classes" if info.decision.exponent > 0 else ""
    meaning = f"Probabilities are calibrated{lifted}; {risk_meaning}."
    console.print(Text(f"model {info.identity}. {meaning} {RESEARCH_ONLY}"), soft_wrap=True)
    if warning := leaky_warning(info):
        console.print(Text(f"warning: {warning}", style="red"), soft_wrap=True)
