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
    """Return `text` on one line and without control characters, which a file name may contain."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def leaky_warning(info: BundleInfo) -> str | None:
    """Return the warning for a model trained on a leaky split, None for others."""
    if not info.training_data.leaky:
        return None
    return "leaky: lesions are shared between training and test; the figures are too good"


def abstention_line(count: int, noun: str = "image") -> str:
    """Return the line that reports the number of abstentions."""
    return f"The model abstained on {count} {noun}{'s' * (count != 1)}."


class PredictionTable:
    """A table that is printed row by row."""

    def __init__(self, console: Console, info: BundleInfo, risk_rule: str, noun: str = "image") -> None:
        self._console = console
        self._noun = noun
        self._info = info
        self._risk_rule = risk_rule
        # Longer names are not shortened: they move their row to the right.
        self._width = max(16, min(48, console.width - _NUMBERS_WIDTH)) if console.is_terminal else _PIPED_NAME_WIDTH
        columns = f"{f'P({info.target})':>12}  {'decision':<8}  {'risk':<8}  {'prob.':>6}  diagnosis"
        console.print(f"{noun:<{self._width}}  {columns}", style="bold")

    def add(self, prediction: Prediction) -> None:
        """Print one row."""
        row = Text(f"{printable(prediction.image):<{self._width}}  ")
        if prediction.risk is None:
            row.append(prediction.headline, style=_ABSTAINED)
        else:
            codes = TASKS[self._info.task].targets[self._info.target]
            probability = min(1.0, sum(prediction.probabilities[code] for code in codes))
            decision = {True: "positive", False: "negative", None: ""}[prediction.positive]
            row.append(f"{probability:>12.1%}  {decision:<8}  ")
            row.append(f"{prediction.risk.value:<8}", style=RISK_STYLE[prediction.risk])
            row.append(f"  {prediction.top[0].probability:>6.1%}  {prediction.top[0].name}")
        self._console.print(row)
        for note in prediction.notes:
            self._console.print(f"  note: {note}", style="dim")

    def close(self, abstained: int) -> None:
        """Print the number of abstentions and the footer."""
        self._console.print()
        if abstained:
            self._console.print(abstention_line(abstained, self._noun))
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
    console.print(title)
    if not prediction.abstained:
        _print_decisions(console, prediction)
        _print_probabilities(console, prediction, TASKS[info.task])
    _print_images(console, prediction)
    _print_lesion(console, lesion)
    _print_nearest(console, nearest_images or ())
    for note in prediction.notes:
        console.print(f"note: {note}", style="dim")
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
        console.print(line)
    console.print()


def _print_probabilities(console: Console, prediction: Prediction, task: Task) -> None:
    full, empty = ("█", "·") if _can_print(console, "█·") else ("#", ".")
    width = max(map(len, task.classes)) + 1
    marked = () if task.binary else task.malignant  # the names of two classes state it
    for code, probability in sorted(prediction.probabilities.items(), key=lambda item: -item[1]):
        filled = round(probability * _BAR_WIDTH)
        row = Text(f"  {code:<{width}}{probability:>6.1%}  ")
        row.append(full * filled, style=RISK_STYLE[task.risk_of(code)])
        row.append(empty * (_BAR_WIDTH - filled), style="dim")
        row.append(f"  {task.name_of(code)}" + (" (malignant)" if code in marked else ""))
        console.print(row)
    console.print()
    if (found := prediction.prediction_set) is not None:
        line = f"prediction set ({found.coverage:.0%} coverage, {found.kind}): {', '.join(found.codes)}"
        console.print(line)
    if (balanced := prediction.balanced_prediction) is not None and balanced != prediction.top[0].code:
        console.print(f"balanced prediction (favours rare classes): {balanced}")


def _can_print(console: Console, text: str) -> bool:
    try:
        text.encode(console.encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _print_images(console: Console, prediction: Prediction) -> None:
    if not prediction.images:
        return
    console.print()
    console.print("images of the lesion:")
    for image in prediction.images:
        alone = "" if image.p_malignant is None else f", P(malignant) {image.p_malignant:.1%} alone"
        reasons = "; ".join(reason.message for reason in image.abstain_reasons)
        console.print(
            f"  {printable(image.image)}: {image.image_type}{alone}" + f", not used: {reasons}" * bool(reasons)
        )
        for note in image.notes:
            console.print(f"    note: {note}", style="dim")


def _print_lesion(console: Console, lesion: LesionMeasures | None) -> None:
    if lesion is None:
        return
    console.print()
    console.print("measures of the segmented lesion:")
    for line in lesion.in_words():
        console.print(f"  {line}")


def _print_nearest(console: Console, images: tuple[NearestImage, ...]) -> None:
    if not images:
        return
    console.print()
    title = f"nearest training images, with the dataset's own diagnoses (similarity {SIMILARITY_MEANING}):"
    console.print(title)
    names = [printable(image.image_id) for image in images]
    for name, image in zip(names, images, strict=True):
        row = f"  {name:<{max(map(len, names))}}  {image.similarity:.2f}  {image.name}"
        console.print(row)


def print_footer(console: Console, info: BundleInfo, risk_rule: str) -> None:
    """Print the model, its risk rule, a warning for a leaky split, and the research-only notice."""
    meaning = f"Probabilities are calibrated; {risk_rule}."
    console.print(f"model {info.identity}. {meaning} {RESEARCH_ONLY}")
    if warning := leaky_warning(info):
        console.print(f"warning: {warning}", style="red")
