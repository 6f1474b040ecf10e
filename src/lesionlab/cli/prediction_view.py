"""Predictions in the terminal: one line per image, or one image in full."""

from rich.console import Console
from rich.text import Text

from lesionlab import RESEARCH_ONLY
from lesionlab.bundle import BundleInfo
from lesionlab.bundle.operating_points import NOUNS
from lesionlab.prediction.explanation.nearest_images import SIMILARITY_MEANING
from lesionlab.results import LesionMeasures, NearestImage, Prediction
from lesionlab.taxonomy import TASKS, Risk, Task

RISK_STYLE = {Risk.HIGH: "bold red", Risk.MODERATE: "yellow", Risk.LOW: "green"}
_BAR_WIDTH = 24
_NUMBERS_WIDTH = 66  # of the columns to the right of the image's name
_ABSTAINED = "bold magenta"
_PIPED_NAME_WIDTH = 40


def printable(text: str) -> str:
    """Return `text` on one line and without control characters: a file's name may hold any."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def leaky_warning(info: BundleInfo) -> str | None:
    """Return the warning that travels with a model trained on a leaky split, None for any other."""
    if not info.training_data.leaky:
        return None
    return "leaky: lesions are shared between training and test; the figures are too good"


class PredictionTable:
    """A table that is printed row by row."""

    def __init__(self, console: Console, info: BundleInfo, risk_rule: str) -> None:
        self._console = console
        self._info = info
        self._risk_rule = risk_rule
        # In a narrow terminal long names are shortened from the left; a file or a pipe gets them whole.
        self._limit = max(16, min(48, console.width - _NUMBERS_WIDTH)) if console.is_terminal else None
        self._width = self._limit or _PIPED_NAME_WIDTH
        heading = f"{'image':<{self._width}}  {f'P({info.target})':>12}  {'decision':<8}  {'risk':<8}  {'prob.':>6}  diagnosis"
        console.print(Text(heading, style="bold"), soft_wrap=True)
        self._abstained = 0

    def add(self, prediction: Prediction) -> None:
        """Print one row."""
        name = printable(prediction.image)
        if self._limit is not None and len(name) > self._limit:
            name = "…" + name[1 - self._limit :]
        row = Text(f"{name:<{self._width}}  ")
        if prediction.risk is None:
            self._abstained += 1
            row.append(prediction.headline, style=_ABSTAINED)
        else:
            codes = TASKS[self._info.task].targets[self._info.target]
            probability = min(1.0, sum(prediction.probabilities[code] for code in codes))
            decision = {True: "positive", False: "negative", None: ""}[prediction.positive]
            row.append(f"{probability:>12.1%}  {decision:<8}  ")
            row.append(f"{prediction.risk.value:<8}", style=RISK_STYLE[prediction.risk])
            row.append(f"  {prediction.top[0].probability:>6.1%}  {prediction.top[0].name}")
        self._console.print(row, soft_wrap=True)
        for note in prediction.notes:
            self._console.print(Text(f"  note: {note}", style="dim"), soft_wrap=True)

    def close(self) -> None:
        """Print the number of abstentions and the footer."""
        self._console.print()
        if self._abstained:
            self._console.print(f"The model abstained on {self._abstained} images.", soft_wrap=True)
        print_footer(self._console, self._info, self._risk_rule)


def print_prediction(
    console: Console,
    prediction: Prediction,
    info: BundleInfo,
    risk_rule: str,
    nearest_images: tuple[NearestImage, ...] | None = None,
    lesion: LesionMeasures | None = None,
) -> None:
    """Print one image in full: headline, decisions, probabilities, prediction set, lesion and notes."""
    title = Text(printable(prediction.image) + ": ")
    title.append(prediction.headline, style=_ABSTAINED if prediction.abstained else "bold")
    if prediction.risk is not None:
        title.append(f", {prediction.risk.value} risk", style=RISK_STYLE[prediction.risk])
    console.print(title, soft_wrap=True)
    if not prediction.abstained:
        _print_decisions(console, prediction)
        _print_probabilities(console, prediction, TASKS[info.task])
    _print_lesion(console, lesion)
    _print_nearest(console, nearest_images or ())
    for note in prediction.notes:
        console.print(Text(f"note: {note}", style="dim"), soft_wrap=True)
    console.print()
    print_footer(console, info, risk_rule)


def _print_decisions(console: Console, prediction: Prediction) -> None:
    for point in prediction.operating_points:
        measured = ""
        if point.measured_on is not None:
            measured = (
                f" ({point.measured_on}: sensitivity {point.sensitivity:.3f}, specificity {point.specificity:.3f})"
            )
        decision = "positive" if point.positive else "negative"
        values = f"{point.target_probability:.1%}, threshold {point.threshold:.1%}"
        line = f"  {decision} at {point.name} for {NOUNS[point.target]}: {values}{measured}"
        console.print(Text(line), soft_wrap=True)
    console.print()


def _print_probabilities(console: Console, prediction: Prediction, task: Task) -> None:
    full, empty = ("█", "·") if _can_print(console, "█·") else ("#", ".")
    width = max(map(len, task.classes)) + 1
    marked = () if task.binary else task.malignant  # the names of two classes already tell
    for code, probability in sorted(prediction.probabilities.items(), key=lambda item: -item[1]):
        filled = round(probability * _BAR_WIDTH)
        row = Text(f"  {code:<{width}}{probability:>6.1%}  ")
        row.append(full * filled, style=RISK_STYLE[task.risk_of(code)])
        row.append(empty * (_BAR_WIDTH - filled), style="dim")
        row.append(f"  {task.name_of(code)}" + (" (malignant)" if code in marked else ""))
        console.print(row, soft_wrap=True)
    console.print()
    if (found := prediction.prediction_set) is not None:
        line = f"prediction set ({found.coverage:.0%} coverage, {found.kind}): {', '.join(found.codes)}"
        console.print(Text(line), soft_wrap=True)
    if (balanced := prediction.balanced_prediction) is not None and balanced != prediction.top[0].code:
        console.print(Text(f"balanced prediction (favours rare classes): {balanced}"), soft_wrap=True)


def _can_print(console: Console, text: str) -> bool:
    try:
        text.encode(console.encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _print_lesion(console: Console, lesion: LesionMeasures | None) -> None:
    if lesion is None:
        return
    console.print()
    console.print("measures of the segmented lesion:")
    for line in lesion.in_words():
        console.print(Text(f"  {line}"), soft_wrap=True)


def _print_nearest(console: Console, images: tuple[NearestImage, ...]) -> None:
    if not images:
        return
    console.print()
    title = f"nearest training images, with the dataset's own diagnoses (similarity {SIMILARITY_MEANING}):"
    console.print(Text(title), soft_wrap=True)
    names = [printable(image.image_id) for image in images]
    for name, image in zip(names, images, strict=True):
        row = f"  {name:<{max(map(len, names))}}  {image.similarity:.2f}  {image.name}"
        console.print(Text(row), soft_wrap=True)


def print_footer(console: Console, info: BundleInfo, risk_rule: str) -> None:
    """Print the model, its risk rule, a warning for a leaky split, and the research-only notice."""
    meaning = f"Probabilities are calibrated; {risk_rule}."
    console.print(Text(f"model {info.identity}. {meaning} {RESEARCH_ONLY}"), soft_wrap=True)
    if warning := leaky_warning(info):
        console.print(Text(f"warning: {warning}", style="red"), soft_wrap=True)
