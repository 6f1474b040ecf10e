"""Output of `lesionlab predict`: in the terminal, as one file, or as one report per image."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from lesionlab.bundle import BundleInfo
from lesionlab.cli.console import err, note, out, progress_bar
from lesionlab.cli.predict import OutputFormat
from lesionlab.cli.predict_images import ImageResult, PredictionRun
from lesionlab.cli.prediction_view import (
    PredictionTable,
    abstention_line,
    print_footer,
    print_prediction,
    printable,
)
from lesionlab.errors import ImageError
from lesionlab.prediction import Predictor
from lesionlab.prediction.io.challenges import require_unique_ids
from lesionlab.prediction.io.writers import ResultFormat, Write, result_writer
from lesionlab.prediction.reports.writer import ReportFormat, report_writer
from lesionlab.results import Failure, ModelName
from lesionlab.taxonomy import TASKS


@dataclass
class Counts:
    """Counts results, and reports failures as they occur: there may be too many to keep."""

    done: int = 0
    failed: int = 0
    abstained: int = 0

    def successful(self, results: Iterable[ImageResult | Failure]) -> Iterator[ImageResult]:
        """Count the results, report the failures and yield the others."""
        for result in results:
            self.done += 1
            if isinstance(result, Failure):
                self.fail(result.image, result.error)
            else:
                self.abstained += result.prediction.abstained
                yield result

    def fail(self, image: str, error: str) -> None:
        """Count and report the failure of an image."""
        self.failed += 1
        err().print(printable(f"{image}: {error}"))


@dataclass(frozen=True)
class Output:
    """Where results are written, and how.

    Attributes:
        result_format: The format.
        out: The file or folder; None: standard output.
        with_identity: Whether FHIR reports hold the patient.
    """

    result_format: OutputFormat
    out: Path | None
    with_identity: bool

    def open(self, info: BundleInfo, run: PredictionRun) -> AbstractContextManager[Write]:
        """Open the output for the results of a run."""
        if self.out is None or not self.result_format.one_per_image:
            one_file = ResultFormat(self.result_format.value)
            return result_writer(one_file, self.out, task=TASKS[info.task], rule=info.decision_rule)
        report_format, model = ReportFormat(self.result_format.value), ModelName.of(info)
        write = report_writer(
            report_format,
            self.out,
            model,
            single=len(run.locations) == 1,
            with_identity=self.with_identity,
            patient_of=run.patient_of,
        )
        return nullcontext(write)


def print_results(predictor: Predictor, run: PredictionRun, counts: Counts) -> None:
    """Print one image or lesion in full, or several as a table."""
    console, info, rule = out(), predictor.info, predictor.risk_rule
    run = run.grouped(predictor)
    results = counts.successful(run.results(predictor))
    if run.count == 1:
        for result in results:
            print_prediction(console, result.prediction, info, rule, result.nearest_images, result.lesion)
        return
    table = PredictionTable(console, info, rule, "lesion" if run.lesions else "image")
    for result in results:
        table.add(result.prediction)
    table.close(counts.abstained)


def write_results(load: Callable[[], Predictor], run: PredictionRun, counts: Counts, output: Output) -> None:
    """Write the results."""
    if output.result_format.of_challenge and run.grouping is None:
        require_unique_ids(output.result_format, run.locations)
    predictor = load()
    run = run.grouped(predictor)
    info = predictor.info
    rows_are_visible = output.out is None and out().is_terminal  # they show the progress
    with (
        # Opened before the first prediction, so that an output that cannot be written costs no time.
        output.open(info, run) as write,
        nullcontext(lambda _done, _total: None) if rows_are_visible else progress_bar("predicting") as update,
    ):
        for result in counts.successful(run.results(predictor)):
            try:
                write(result.prediction)
            except ImageError as error:  # the format has no report on this image
                counts.fail(result.prediction.image, str(error))
            update(counts.done, run.count)
    if output.result_format.of_challenge:
        note("The values are scores of the balanced decision rule, not probabilities.")
    if counts.abstained:
        note(abstention_line(counts.abstained, "lesion" if run.lesions else "image"))
    print_footer(err(), info, predictor.risk_rule)
