"""`lesionlab predict`."""

from collections.abc import Callable, Iterable, Iterator
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
    from lesionlab.prediction import Failure, Prediction, Predictor


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
        typer.Option(help="Folder for pictures of where each answer comes from.", metavar="FOLDER", show_default=False),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, max=1024, help="Images per run of the model.")] = 4,
) -> None:
    """Judge images: the probability of each class that the model tells apart, and of malignancy.

    An image that the model cannot judge, too dark or no lesion at all, is marked with the reason.

    A bad image is reported on standard error and does not stop the rest; the exit code is then 1.
    """
    from lesionlab.prediction import Predictor
    from lesionlab.prediction.inputs import expand_inputs

    chosen = _choose_format(result_format, out_file)
    locations = expand_inputs(paths)
    if chosen is _Format.TABLE:
        failures = _to_people(Predictor.load(model), _Images(locations, batch_size, explain))
    else:
        failures = _to_programs(model, _Images(locations, batch_size, explain), chosen, out_file)
    if failures:
        err.print(Text(f"{failures} of {len(locations)} images could not be judged"), soft_wrap=True)
        raise typer.Exit(1)


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


@dataclass(frozen=True)
class _Images:
    """What is asked for.

    Attributes:
        locations: The images.
        batch_size: Images per run of the model.
        explain: Where to put a picture of each explanation; None for none.
    """

    locations: list[str]
    batch_size: int
    explain: Path | None

    def judged(self, predictor: "Predictor") -> "Iterator[Prediction | Failure]":
        """Return the answers in the order of the images; each is explained before it is handed on."""
        if self.explain is None:
            return predictor.predict_many(self.locations, batch_size=self.batch_size)
        return self._explained(predictor, self.explain)

    def _explained(self, predictor: "Predictor", folder: Path) -> "Iterator[Prediction | Failure]":
        from lesionlab.errors import ImageError
        from lesionlab.prediction import Failure
        from lesionlab.prediction.overlay import OverlayFolder

        overlays = OverlayFolder(folder, self.locations)
        results = predictor.explain_many(self.locations, batch_size=self.batch_size)
        for location, result in zip(self.locations, results, strict=True):
            if isinstance(result, Failure):
                yield result
                continue
            try:
                overlays.write(location, *result)
            except ImageError as error:  # it could be read a moment ago
                yield Failure(path=result[0].path, error=str(error))
            else:
                yield result[0]


def _to_people(predictor: "Predictor", images: _Images) -> int:
    from lesionlab.cli.prediction_view import PredictionTable, print_prediction

    failures = _Failures()
    good = failures.reported(images.judged(predictor))
    if len(images.locations) == 1:
        for prediction in good:
            print_prediction(out, prediction, predictor.info)
        return failures.count
    table = PredictionTable(out, predictor.info)
    for prediction in good:
        table.add(prediction)
    table.close()
    return failures.count


def _to_programs(model: Path | None, images: _Images, chosen: _Format, out_file: Path | None) -> int:
    from lesionlab.bundle import Bundle
    from lesionlab.cli.prediction_view import print_footer
    from lesionlab.prediction import Predictor
    from lesionlab.prediction.writers import ResultFormat, refuse_repeated_ids, result_writer
    from lesionlab.taxonomy import TASKS

    if chosen is _Format.ISIC:
        refuse_repeated_ids(images.locations)
    bundle = Bundle.load(model)
    failures = _Failures()
    rows_are_seen = out_file is None and out.is_terminal  # they show the progress themselves
    with (
        # Opened first: a place that cannot be written is known before any image is judged.
        result_writer(ResultFormat(chosen.value), out_file, task=TASKS[bundle.info.task]) as write,
        nullcontext(lambda _done, _total: None) if rows_are_seen else progress_bar("judging") as update,
    ):
        predictor = Predictor.load(bundle)
        for prediction in failures.reported(_counted(images.judged(predictor), update, len(images.locations))):
            write(prediction)
    print_footer(err, predictor.info)
    return failures.count


def _counted(
    results: Iterable["Prediction | Failure"], update: Callable[[int, int], None], total: int
) -> Iterator["Prediction | Failure"]:
    for done, result in enumerate(results, start=1):
        yield result
        update(done, total)


class _Failures:
    """Reports failures as they come and keeps only their number: there may be very many."""

    def __init__(self) -> None:
        self.count = 0

    def reported(self, results: Iterable["Prediction | Failure"]) -> Iterator["Prediction"]:
        from lesionlab.cli.prediction_view import printable
        from lesionlab.prediction import Failure

        for result in results:
            if isinstance(result, Failure):
                self.count += 1
                err.print(Text(printable(f"{result.path}: {result.error}")), soft_wrap=True)
            else:
                yield result
