"""`lesionlab predict`."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesionlab.cli.console import err
from lesionlab.cli.options import (
    IMAGES_HELP,
    Force,
    Model,
    PredictionDevice,
    RiskOption,
    Threads,
    ThresholdOption,
    existing,
    images_of,
)
from lesionlab.errors import UsageError
from lesionlab.files import check_output

if TYPE_CHECKING:
    from lesionlab.bundle import Patient
    from lesionlab.cli.predict_images import Grouping
    from lesionlab.prediction.inference.tta import TestTimeAugmentation


class OutputFormat(StrEnum):
    """The formats of the results."""

    TABLE = "table"
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"
    ISIC = "isic"
    ISIC_2019 = "isic2019"
    MILK10K = "milk10k"
    DICOM_SR = "dicom-sr"
    FHIR = "fhir"

    @property
    def one_per_image(self) -> bool:
        """Whether each image has a file of its own."""
        return self in (OutputFormat.DICOM_SR, OutputFormat.FHIR)

    @property
    def of_challenge(self) -> bool:
        """Whether it is the submission format of a challenge."""
        return self in (OutputFormat.ISIC, OutputFormat.ISIC_2019, OutputFormat.MILK10K)


_SUFFIXES = {
    ".csv": OutputFormat.CSV,
    ".jsonl": OutputFormat.JSONL,
    ".ndjson": OutputFormat.JSONL,
    ".parquet": OutputFormat.PARQUET,
}
_DICOM = Path("dicom")
_IMAGES_PER_GPU_RUN = 32
PredictedImages = Annotated[list[str] | None, typer.Argument(metavar="IMAGES", help=IMAGES_HELP, show_default=False)]


def _table_or_dicom(parameter: typer.CallbackParam, value: Path | None) -> Path | None:
    return value if value == _DICOM else existing(parameter, value)


def predict(
    paths: PredictedImages = None,
    model: Model = None,
    result_format: Annotated[
        OutputFormat | None,
        typer.Option(
            "--format", "-f", help="Default: a table, or the format of the suffix of --out.", show_default=False
        ),
    ] = None,
    out_file: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Result file; for dicom-sr, fhir, --resume and --ray a folder.", show_default=False
        ),
    ] = None,
    with_identity: Annotated[
        bool,
        typer.Option("--with-identity", help="In FHIR reports on DICOM images: the patient and the date of the study."),
    ] = False,
    explain: Annotated[
        Path | None,
        typer.Option(
            help="Folder for heat maps of the predictions, and for lesions.csv with measures of the lesions.",
            metavar="FOLDER",
            show_default=False,
        ),
    ] = None,
    nearest_images: Annotated[
        Path | None,
        typer.Option(
            callback=existing,
            help="Training dataset of the model: with --explain, write figures of the nearest training images.",
            metavar="FOLDER",
            show_default=False,
        ),
    ] = None,
    tta: Annotated[
        bool, typer.Option("--tta", help="Test-time augmentation: average over four reflections; four times slower.")
    ] = False,
    age: Annotated[float | None, typer.Option(help="Age of the patient in years.", show_default=False)] = None,
    sex: Annotated[str | None, typer.Option(help="Sex of the patient: female or male.", show_default=False)] = None,
    site: Annotated[str | None, typer.Option(help="Anatomical site, such as back.", show_default=False)] = None,
    patients: Annotated[
        Path | None,
        typer.Option(
            callback=_table_or_dicom,
            help="Table with the columns image, age, sex and site, for many images; `dicom`: DICOM headers.",
            metavar="FILE|dicom",
            show_default=False,
        ),
    ] = None,
    clinical: Annotated[
        list[str] | None,
        typer.Option(
            help="Clinical photographs, for a model that takes them (`lesionlab fuse`): of the one lesion in IMAGES, "
            "or with the names of the dermoscopic images. Repeatable; each as in IMAGES.",
            metavar="IMAGES",
            show_default=False,
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            help="One result per lesion from all of its images: the column of the lesion, such as lesion_id, in the "
            "table of --metadata, of --patients, or of a dataset. Its column image_type tells clinical images.",
            metavar="COLUMN",
            show_default=False,
        ),
    ] = None,
    metadata: Annotated[
        Path | None,
        typer.Option(
            callback=existing, help="Table with one row per image, for --group.", metavar="FILE", show_default=False
        ),
    ] = None,
    prevalence: Annotated[
        list[str] | None,
        typer.Option(
            help="Prevalence of a class in the population, such as malignant=0.02. Repeatable. Default: unchanged.",
            metavar="CLASS=SHARE",
            show_default=False,
        ),
    ] = None,
    risk: RiskOption = None,
    threshold: ThresholdOption = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Images per inference run. Default: 2 on a CPU, 32 on other devices."),
    ] = None,
    threads: Threads = None,
    device: PredictionDevice = "cpu",
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Predict in shards by worker processes, with a folder of Parquet files as --out. Started again, the "
            "command predicts what is missing.",
        ),
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Like --resume, on a Ray cluster: its address; auto: the one on this machine; local: a new one.",
            metavar="ADDRESS",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Workers of --resume or --ray. Default: one per core or GPU.", show_default=False),
    ] = None,
    shard_size: Annotated[int, typer.Option(min=1, help="Images per shard of --resume or --ray.")] = 1000,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="With --resume or --ray: predict shards with failures again.")
    ] = False,
    force: Force = False,
) -> None:
    """Predict the probability of each diagnosis and of malignancy, with decisions at stated operating points.

    The model abstains from images on which it cannot be relied, for example dark ones or images without a lesion.

    With --group or --clinical there is one result per lesion, with the images that it rests on.

    A bad image is reported on standard error and does not stop the others; the exit code is then 1.
    """
    from lesionlab.prediction import Predictor, RiskRule
    from lesionlab.prediction.decision.prevalence import parse_prevalence
    from lesionlab.prediction.inference.session import IMAGES_PER_RUN

    paths = _given(paths, clinical)
    rule = RiskRule.of_options(risk, threshold)
    shares = parse_prevalence(prevalence or ())
    patient = {"age": age, "sex": sex, "site": site}
    batch_size = batch_size or (IMAGES_PER_RUN if device == "cpu" else _IMAGES_PER_GPU_RUN)

    def load(threads: int | None = threads) -> Predictor:
        tta_mode: TestTimeAugmentation = "flips" if tta else "none"
        return Predictor.load(model, threads=threads, tta=tta_mode, prevalence=shares or None, risk=rule, device=device)

    if resume or ray is not None:
        from lesionlab.cli.predict_run import ShardedPrediction

        other: dict[str, object] = {
            "--explain": explain,
            "--nearest-images": nearest_images,
            "--with-identity": with_identity,
        }
        other |= {"--clinical": clinical, "--group": group, "--metadata": metadata}
        other |= {"--threads": threads, "--force": force}
        settings = {"tta": tta, "prevalence": shares, "device": device, "patient": patient, "patients": patients}
        run_in_shards = ShardedPrediction(
            images=paths,
            out=_run_folder(out_file, result_format, other),
            batch_size=batch_size,
            shard_size=shard_size,
            options={name: _content(value) for name, value in settings.items()},
            patient_of=_sharded_patients(patients, paths, patient),
            ray=ray,
            workers=workers,
            gpus=int(device in {"cuda", "tensorrt"}),
            retry_failed=retry_failed,
        )
        raise typer.Exit(1 if run_in_shards(load(1)).failed else 0)
    chosen = _choose_format(result_format, out_file)
    if nearest_images is not None and explain is None:
        raise UsageError("--nearest-images needs --explain FOLDER, where the figures are written")
    if workers is not None or retry_failed:
        raise UsageError("--workers and --retry-failed are for --resume and --ray")
    _check_format(chosen, shares, paths, with_identity=with_identity)
    grouping = _grouping(paths, group, metadata, patients, clinical or [])
    if grouping is not None and (chosen.one_per_image or explain is not None):
        option = "--explain" if explain is not None else f"--format {chosen}"
        raise UsageError(f"{option} is for single images; without it, --group and --clinical give a result per lesion")
    locations = _locations(paths, [] if grouping is None else grouping.clinical)
    patient_of = _patients(patients, locations, patient)
    inputs = [*locations, model, patients, metadata]
    if out_file is not None:
        check_output(out_file, inputs, force=force)
    if explain is not None:
        check_output(explain, [*inputs, nearest_images], force=force)

    with ThreadPoolExecutor(1) as executor:
        # Opening the graph is native code: meanwhile the modules of the output are imported.
        loading = executor.submit(load)
        from lesionlab.cli.predict_images import PredictionRun
        from lesionlab.cli.predict_output import Counts, Output, print_results, write_results

    run = PredictionRun(locations, batch_size, explain, nearest_images, patient_of, grouping)
    counts = Counts()
    if chosen is OutputFormat.TABLE:
        print_results(loading.result(), run, counts)
    else:
        write_results(loading.result, run, counts, Output(chosen, out_file, with_identity))
    if counts.failed:
        done, noun = "reported" if chosen.one_per_image else "predicted", "images" if grouping is None else "lesions"
        err().print(f"{counts.failed} of {counts.done} {noun} could not be {done}")
        raise typer.Exit(1)


def _check_format(chosen: OutputFormat, shares: dict[str, float], paths: list[str], *, with_identity: bool) -> None:
    from lesionlab.prediction.shards.plan import names_containers

    if with_identity and chosen is not OutputFormat.FHIR:
        raise UsageError("--with-identity is for --format fhir")
    if chosen.of_challenge and shares:
        raise UsageError(f"--format {chosen} holds scores of the balanced decision rule, which ignores --prevalence")
    if names_containers(paths):
        raise UsageError(
            "tar archives and Parquet files are read with --resume or --ray: add --resume and --out FOLDER"
        )


def _run_folder(out: Path | None, result_format: OutputFormat | None, other: dict[str, object]) -> Path:
    if result_format not in (None, OutputFormat.PARQUET):
        other = {"--format": result_format}
    for option, value in other.items():
        if value:
            raise UsageError(
                f"{option} cannot be used with --resume or --ray, which write predictions as Parquet files"
            )
    if out is None:
        raise UsageError("--resume and --ray need --out FOLDER")
    return out


def _sharded_patients(
    table: Path | None, paths: list[str], of_all: dict[str, float | str | None]
) -> "Callable[[str], Patient] | None":
    from lesionlab.prediction.shards.plan import names_containers

    if table is not None and names_containers(paths):
        raise UsageError("--patients names image files; it cannot be used with tar archives and Parquet files")
    return _patients(table, images_of(paths) if table is not None else [], of_all)


def _content(setting: object) -> str:
    from lesionlab.files import sha256_of_file

    return sha256_of_file(setting) if isinstance(setting, Path) and setting != _DICOM else str(setting)


def _given(paths: list[str] | None, clinical: list[str] | None) -> list[str]:
    if not paths and not clinical:
        raise UsageError("there is no image to predict: name IMAGES, or clinical ones with --clinical")
    return paths or []


def _locations(paths: list[str], clinical: list[str]) -> list[str]:
    """Return all images, each once: those that the arguments name, and the clinical ones."""
    return list(dict.fromkeys([*(images_of(paths) if paths else []), *clinical]))


def _grouping(
    paths: list[str], column: str | None, metadata: Path | None, patients: Path | None, clinical: list[str]
) -> "Grouping | None":
    """Return how images are grouped by lesion; None for single images."""
    if column is None and metadata is not None:
        raise UsageError("--metadata is for --group; name its column of the lesion, as --group lesion_id")
    if column is None and not clinical:
        return None
    from lesionlab.cli.predict_images import Grouping
    from lesionlab.prediction.io.lesions import table_of_dataset

    if column is None:
        return Grouping(None, "", images_of(clinical))
    table = metadata or (None if patients == _DICOM else patients) or table_of_dataset(paths)
    if table is None:
        raise UsageError(
            f"--group {column}: give the table with this column and one row per image with --metadata FILE"
        )
    return Grouping(table, column, images_of(clinical) if clinical else [])


def _patients(
    table: Path | None, images: list[str], of_all: dict[str, float | str | None]
) -> "Callable[[str], Patient] | None":
    from pydantic import ValidationError

    from lesionlab.bundle import Patient
    from lesionlab.prediction.io.patients import read_dicom_patients, read_patients

    if not any(value is not None for value in of_all.values()):
        if table is None:
            return None

        def note(line: str) -> None:
            typer.echo(line, err=True)

        return read_dicom_patients(images, note) if table == _DICOM else read_patients(table, images, note)
    if table is not None:
        raise UsageError("--patients and --age, --sex or --site exclude each other")
    try:
        patient = Patient.model_validate(of_all)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--{first['loc'][0]} {first['input']}: {first['msg'].lower()}") from error
    return partial(_same_patient, patient)


def _same_patient(patient: "Patient", _image: str) -> "Patient":
    return patient


def _choose_format(wanted: OutputFormat | None, out_file: Path | None) -> OutputFormat:
    if out_file is None:
        if wanted is not None and wanted.one_per_image:
            raise UsageError(f"--format {wanted} writes one file per image; name a folder with --out")
        return wanted or OutputFormat.TABLE
    chosen = wanted or _SUFFIXES.get(out_file.suffix.lower())
    if chosen is None:
        raise UsageError(f"--out {out_file}: unknown suffix (known: {', '.join(_SUFFIXES)}); add --format")
    if chosen is OutputFormat.TABLE:
        raise UsageError("--format table is for the terminal; with --out choose another one")
    return chosen
