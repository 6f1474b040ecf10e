"""`lesionlab predict`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from lesionlab.cli.console import err, out, progress_bar
from lesionlab.errors import UsageError

if TYPE_CHECKING:
    from lesionlab.bundle import Patient
    from lesionlab.cli.predict_images import ImageResult, Images
    from lesionlab.prediction import Predictor
    from lesionlab.prediction.inference.tta import TestTimeAugmentation
    from lesionlab.results import Failure


class _Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"
    ISIC = "isic"


_SUFFIXES = {".csv": _Format.CSV, ".jsonl": _Format.JSONL, ".ndjson": _Format.JSONL, ".parquet": _Format.PARQUET}


def predict(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Images, folders, zip archives (archive.zip::member for one image) or quoted patterns ('a/**/*.jpg').",
            show_default=False,
        ),
    ],
    model: Annotated[
        Path | None, typer.Option("--model", "-m", help="Bundle to use instead of the one in the package.")
    ] = None,
    result_format: Annotated[
        _Format | None,
        typer.Option("--format", "-f", help="Default: a table, or what the suffix of --out says.", show_default=False),
    ] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the results to this file.", show_default=False)
    ] = None,
    explain: Annotated[
        Path | None,
        typer.Option(
            help="Folder for pictures of where each answer comes from, and for lesions.csv: the lesions in numbers.",
            metavar="FOLDER",
            show_default=False,
        ),
    ] = None,
    nearest_images: Annotated[
        Path | None,
        typer.Option(
            help="Dataset that the model was trained on: with --explain, each image is also shown beside the training "
            "images most like it.",
            metavar="FOLDER",
            show_default=False,
        ),
    ] = None,
    tta: Annotated[
        bool, typer.Option("--tta", help="Average over each image and its mirror images: four times the time.")
    ] = False,
    age: Annotated[float | None, typer.Option(help="Age of the patient in years.", show_default=False)] = None,
    sex: Annotated[str | None, typer.Option(help="female or male.", show_default=False)] = None,
    site: Annotated[str | None, typer.Option(help="Place on the body, such as back.", show_default=False)] = None,
    patients: Annotated[
        Path | None,
        typer.Option(help="CSV with image, age, sex and site, for many images.", metavar="FILE", show_default=False),
    ] = None,
    prevalence: Annotated[
        list[str] | None,
        typer.Option(
            help="How frequent a class is where the images come from, such as malignant=0.02. Repeatable; "
            "default: as in the training data.",
            metavar="CLASS=SHARE",
            show_default=False,
        ),
    ] = None,
    risk: Annotated[
        str | None,
        typer.Option(
            help="What the risk level goes by: sensitivity=0.95 (the default), cost=20 (of a missed malignancy, in "
            "lesions looked at in vain), or answer (the level of the diagnosis).",
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Images per run of the model. Default: 2, the quickest on a CPU."),
    ] = None,
) -> None:
    """Judge images: the probability of each class that the model tells apart, and of malignancy.

    An image that the model cannot judge, too dark or no lesion at all, is marked with the reason.

    A bad image is reported on standard error and does not stop the rest; the exit code is then 1.
    """
    from lesionlab.cli.predict_images import Images
    from lesionlab.prediction.inference.session import IMAGES_PER_RUN
    from lesionlab.prediction.io.inputs import expand_inputs

    chosen = _choose_format(result_format, out_file)
    asked = _Asked(model, tta, _shares(prevalence or ()), risk)
    if nearest_images is not None and explain is None:
        raise UsageError("--nearest-images: add --explain FOLDER, where the pictures are written")
    patient_of = _patients(patients, {"age": age, "sex": sex, "site": site})
    images = Images(expand_inputs(paths), batch_size or IMAGES_PER_RUN, explain, nearest_images, patient_of)
    failures = _to_people(asked, images) if chosen is _Format.TABLE else _to_programs(asked, images, chosen, out_file)
    if failures:
        err.print(Text(f"{failures} of {len(images.locations)} images could not be judged"), soft_wrap=True)
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Asked:
    """Who is asked, and how.

    Attributes:
        model: The bundle; None: the one in the package.
        tta: Whether to average over mirror images.
        prevalence: Shares of classes where the images come from.
        risk: What the risk level goes by, as it was written; None for the model's own rule.
    """

    model: Path | None
    tta: bool
    prevalence: dict[str, float]
    risk: str | None

    def load(self) -> "Predictor":
        """Load the model."""
        from lesionlab.prediction import Predictor

        tta: TestTimeAugmentation = "flips" if self.tta else "none"
        return Predictor.load(self.model, tta=tta, prevalence=self.prevalence or None, risk=self.risk)


def _shares(given: Sequence[str]) -> dict[str, float]:
    shares: dict[str, float] = {}
    for text in given:
        name, _, share = text.partition("=")
        try:
            shares[name.strip()] = float(share)
        except ValueError:
            raise UsageError(f"--prevalence {text}: write it as malignant=0.02") from None
    return shares


def _patients(table: Path | None, of_all: dict[str, float | str | None]) -> "Callable[[str], Patient] | None":
    from pydantic import ValidationError

    from lesionlab.bundle import Patient
    from lesionlab.prediction.io.patients import read_patients

    if not any(value is not None for value in of_all.values()):
        return read_patients(table) if table is not None else None
    if table is not None:
        raise UsageError("give --patients for many images, or --age, --sex and --site for one, not both")
    try:
        patient = Patient.model_validate(of_all)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--{first['loc'][0]} {first['input']}: {first['msg'].lower()}") from error
    return lambda _path: patient


def _choose_format(wanted: _Format | None, out_file: Path | None) -> _Format:
    if out_file is None:
        return wanted or _Format.TABLE
    chosen = wanted or _SUFFIXES.get(out_file.suffix.lower())
    if chosen is None:
        known = ", ".join(_SUFFIXES)
        raise UsageError(f"--out {out_file}: the suffix tells no format (known: {known}); add --format")
    if chosen is _Format.TABLE:
        raise UsageError("--format table is for the terminal; with --out choose csv, jsonl, parquet or isic")
    return chosen


def _to_people(asked: _Asked, images: "Images") -> int:
    from lesionlab.cli.prediction_view import PredictionTable, print_prediction

    predictor = asked.load()
    failures = _Failures()
    good = failures.reported(images.predicted(predictor))
    if len(images.locations) == 1:
        for predicted in good:
            print_prediction(
                out,
                predicted.prediction,
                predictor.info,
                predictor.risk_rule,
                predicted.nearest_images,
                predicted.lesion,
            )
        return failures.count
    table = PredictionTable(out, predictor.info, predictor.risk_rule)
    for predicted in good:
        table.add(predicted.prediction)
    table.close()
    return failures.count


def _to_programs(asked: _Asked, images: "Images", chosen: _Format, out_file: Path | None) -> int:
    from lesionlab.cli.prediction_view import print_footer
    from lesionlab.prediction.io.writers import ResultFormat, refuse_repeated_ids, result_writer
    from lesionlab.taxonomy import TASKS

    if chosen is _Format.ISIC:
        if asked.prevalence:
            raise UsageError("--format isic holds what the answer goes by, which no prevalence changes; leave it out")
        refuse_repeated_ids(images.locations)
    predictor = asked.load()
    info = predictor.info
    failures = _Failures()
    rows_are_seen = out_file is None and out.is_terminal  # they show the progress themselves
    with (
        # Opened first: a place that cannot be written is known before any image is judged.
        result_writer(ResultFormat(chosen.value), out_file, task=TASKS[info.task], rule=info.decision_rule) as write,
        nullcontext(lambda _done, _total: None) if rows_are_seen else progress_bar("predicting") as update,
    ):
        for predicted in failures.reported(_counted(images.predicted(predictor), update, len(images.locations))):
            write(predicted.prediction)
    print_footer(err, info, predictor.risk_rule)
    return failures.count


def _counted(
    results: Iterable["ImageResult | Failure"], update: Callable[[int, int], None], total: int
) -> Iterator["ImageResult | Failure"]:
    for done, result in enumerate(results, start=1):
        yield result
        update(done, total)


class _Failures:
    """Reports failures as they come and keeps only their number: there may be very many."""

    def __init__(self) -> None:
        self.count = 0

    def reported(self, results: Iterable["ImageResult | Failure"]) -> Iterator["ImageResult"]:
        from lesionlab.cli.prediction_view import printable
        from lesionlab.results import Failure

        for result in results:
            if isinstance(result, Failure):
                self.count += 1
                err.print(Text(printable(f"{result.image}: {result.error}")), soft_wrap=True)
            else:
                yield result
