"""Conversion of a bundle to the formats of other runtimes; only models that meet the acceptance criteria are kept."""

import hashlib
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesionlab.bundle import Bundle, BundleInfo, StoredGraph
from lesionlab.bundle.split_recovery import recover_split
from lesionlab.bundle.store import DESCRIPTION, REFERENCE, SEEN_IMAGES, TRAINING_IMAGES, description_text
from lesionlab.cpu import available_cores
from lesionlab.data import Manifest, images_of_task
from lesionlab.errors import LesionlabError, UsageError
from lesionlab.export.acceptance import AcceptanceReport, ModelOutputs, compare, time_alternately
from lesionlab.export.fit import refit, without_patients
from lesionlab.export.formats import Format, Source
from lesionlab.export.formats.readme import readme, script
from lesionlab.export.measure import Measurements, measure_images
from lesionlab.files import replacing_folder, sha256_of_file, sha256_of_json, write_json, write_text
from lesionlab.phantoms import write_phantoms
from lesionlab.prediction.inference.batching import prefetch_images
from lesionlab.prediction.inference.preprocessing import or_raise
from lesionlab.prediction.inference.session import IMAGES_PER_RUN, GraphSession
from lesionlab.prediction.inference.tta import Session
from lesionlab.taxonomy import TASKS

logger = logging.getLogger(__name__)

CONVERSION = "conversion.json"
README = "README.md"
SCRIPT = "predict.py"
# INT8 calibration takes equally many images of each class, so that the ranges cover the rare classes too.
_CALIBRATION_IMAGES_PER_CLASS = 20
_OUT_OF_DISTRIBUTION = 200
_SYNTHETIC_LESIONS = 70


@dataclass(frozen=True)
class AcceptanceData:
    """Images for the acceptance criteria of a conversion.

    Attributes:
        evaluated_on: Description of the images.
        images: The images.
        train: The training images; None for synthetic images, whose labels are then ignored.
    """

    evaluated_on: str
    images: Manifest
    train: Manifest | None = None


def acceptance_data(info: BundleInfo, dataset: Manifest) -> AcceptanceData:
    """Return the training and validation images of a bundle's dataset.

    Args:
        info: Description of the bundle.
        dataset: The complete dataset that the model was trained on.

    Raises:
        UsageError: The model was trained on another dataset.
    """
    if info.imported is not None and dataset.sha256 == info.training_data.manifest_sha256:
        images = without_patients(images_of_task(dataset, TASKS[info.task])[0])
        return AcceptanceData("calibration images", images, images)
    recovered = recover_split(info, dataset)
    if recovered is None:
        sources = ", ".join(info.training_data.sources)
        other = f"another dataset ({sources})" if sources else "another dataset"
        how = "trained" if info.imported is None else "calibrated"
        raise UsageError(
            f"--data {dataset.root}: {info.name} was {how} on {other}; name its folder, or all of several with "
            "their --decisions"
        )
    manifest, split = recovered
    subsets, task = split.subsets(), TASKS[info.task]
    train, validation = (images_of_task(manifest.select(subsets[name]), task)[0] for name in ("train", "validation"))
    name = " + ".join(sorted({record.dataset for record in dataset}))
    return AcceptanceData(f"validation subset of {name}", validation, train)


@contextmanager
def synthetic_acceptance_data() -> Iterator[AcceptanceData]:
    """Yield synthetic images; they measure parity, not accuracy."""
    with tempfile.TemporaryDirectory() as folder:
        yield AcceptanceData("synthetic images", write_phantoms(Path(folder) / "phantoms", lesions=_SYNTHETIC_LESIONS))


def convert_bundle(
    bundle: Bundle,
    forms: Sequence[Format],
    out: Path,
    data: AcceptanceData,
    *,
    threads: int | None = None,
    keep_slow: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[AcceptanceReport]:
    """Convert a bundle; write each model that meets the acceptance criteria to a folder named after its format.

    A format that reproduces the graph's outputs keeps the bundle's description. INT8 has other outputs. Everything
    that was fitted to outputs (calibration, decision rule, prediction sets, patient effects, thresholds, limits of
    confidence and distance) is fitted to its own outputs for the validation images, as in an export. The figures of
    the test subset belong to the FP32 graph and are left out until `lesionlab evaluate` measures them.

    Args:
        bundle: The FP32 bundle.
        forms: The formats.
        out: Folder of the output folders.
        data: Images for the acceptance criteria.
        threads: Number of threads; default: one per available core.
        keep_slow: Whether to write a model that is slower than its format's limit, and meets all other criteria.
        progress: Called with the number of images done and the total.

    Raises:
        UsageError: The bundle is a converted one, or a format needs training images.
        LesionlabError: A format cannot be written.
    """
    if bundle.clinical is not None:
        raise UsageError(f"{bundle.path} combines two networks; convert these, and combine them with `lesionlab fuse`")
    if bundle.info.graph.converted_from is not None:
        raise UsageError(f"{bundle.path} is a converted bundle; convert the bundle that it was made from")
    for form in forms:
        form.check()
        if form.needs_calibration and data.train is None:
            raise UsageError(f"{form.name} needs training images for calibration: name their folder with --data")
        if (out / form.name).exists() and not (out / form.name / CONVERSION).exists():
            raise LesionlabError(f"{out / form.name} exists and is no converted model; choose another folder")
    conversion = _Conversion(bundle, data, threads or available_cores(), _Progress(progress, len(forms) + 1), keep_slow)
    images = conversion.calibration_images() if any(form.needs_calibration for form in forms) else None
    source = Source(bundle, np.empty((0,), np.uint8) if images is None else images)
    return [_convert(form, source, conversion, out / form.name) for form in forms]


class _Progress:
    """One progress count over several passes through the same images."""

    def __init__(self, progress: Callable[[int, int], None] | None, passes: int) -> None:
        self._progress, self._passes, self._done = progress, passes, 0

    def next_pass(self) -> Callable[[int, int], None] | None:
        if self._progress is None:
            return None
        before, report = self._done, self._progress
        self._done += 1
        return lambda done, total: report(before * total + done, self._passes * total)


class _Conversion:
    """The images of a comparison and the FP32 model's outputs, computed once for all formats."""

    def __init__(
        self, bundle: Bundle, data: AcceptanceData, threads: int, progress: _Progress, keep_slow: bool
    ) -> None:
        self.bundle, self.data, self.threads, self.progress = bundle, data, threads, progress
        self.keep_slow = keep_slow
        self.locations = [data.images.location(record) for record in data.images]
        some = self.locations[:: max(1, len(self.locations) // _OUT_OF_DISTRIBUTION)]
        self.out_of_distribution = [255 - pixels for pixels in self._preprocessed(some)]
        self.session = GraphSession(bundle, threads)
        self.fp32 = ModelOutputs(
            bundle.info, bundle.reference, *self.measure(self.session), megabytes=len(bundle.graph) / 1e6
        )

    def measure(self, session: Session) -> tuple[Measurements, Measurements]:
        return (
            measure_images(self.bundle, self.locations, self.progress.next_pass(), session),
            measure_images(self.bundle, self.out_of_distribution, None, session),
        )

    def labels(self) -> NDArray[np.int64] | None:
        task = TASKS[self.bundle.info.task]
        if self.data.train is None:
            return None
        return np.array([task.index(record.diagnosis) for record in self.data.images])

    def calibration_images(self) -> np.ndarray | None:
        if self.data.train is None:
            return None
        return np.stack(self._preprocessed(calibration_locations(self.data.train, self.bundle.info)))

    def _preprocessed(self, locations: Sequence[str]) -> list[np.ndarray]:
        prepared = prefetch_images(locations, self.bundle.info.preprocessing, IMAGES_PER_RUN)
        return [or_raise(item).pixels for item in prepared]


def calibration_locations(
    train: Manifest, info: BundleInfo, per_class: int = _CALIBRATION_IMAGES_PER_CLASS
) -> list[str]:
    """Return locations of training images, at most one per lesion, evenly drawn from each class.

    Args:
        train: The training images.
        info: Description of the model, with the classes.
        per_class: Maximum number of images of a class.
    """
    task = TASKS[info.task]
    one_per_lesion = {record.lesion_id: record for record in reversed(train.records)}
    by_class: dict[int, list[str]] = {}
    for lesion in sorted(one_per_lesion):
        record = one_per_lesion[lesion]
        by_class.setdefault(task.index(record.diagnosis), []).append(train.location(record))
    return [
        location
        for _, locations in sorted(by_class.items())
        for location in locations[:: max(1, len(locations) // per_class)][:per_class]
    ]


class _RejectedError(Exception):
    """A converted model does not meet the acceptance criteria; its folder is removed."""

    def __init__(self, report: AcceptanceReport) -> None:
        super().__init__(", ".join(report.failures))
        self.report = report


def _convert(form: Format, source: Source, conversion: _Conversion, path: Path) -> AcceptanceReport:
    try:
        with replacing_folder(path) as folder:
            report = _write(form, source, conversion, folder)
    except _RejectedError as rejected:
        return rejected.report
    logger.info("%s: %s", path, report.summary)
    return report


def _write(form: Format, source: Source, conversion: _Conversion, folder: Path) -> AcceptanceReport:
    """Write a converted model into a folder.

    Raises:
        _RejectedError: It does not meet the acceptance criteria.
    """
    scheme = form.write(source, folder)
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    session = form.open(folder, source, conversion.threads)
    measured, out_of_distribution = conversion.measure(session)
    info, reference = _description(form, scheme, source.bundle, files), source.bundle.reference
    if form.needs_calibration:
        if conversion.data.train is None:
            raise UsageError("calibration, thresholds and limits are fitted on validation images: give --data")
        info, reference = refit(info, reference, measured, conversion.data.train, conversion.data.images)
    megabytes = sum(path.stat().st_size for path in files.values()) / 1e6
    report = compare(
        form,
        scheme,
        conversion.fp32,
        ModelOutputs(info, reference, measured, out_of_distribution, megabytes),
        time_alternately(conversion.session, session, np.stack(conversion.out_of_distribution[:8])),
        evaluated_on=conversion.data.evaluated_on,
        threads=conversion.threads,
        labels=conversion.labels(),
        lesion_ids=[record.lesion_id for record in conversion.data.images],
    )
    if not (report.passed or (conversion.keep_slow and report.only_slow)):
        raise _RejectedError(report)
    for name, part in (
        (REFERENCE, reference),
        (TRAINING_IMAGES, source.bundle.training_images),
        (SEEN_IMAGES, source.bundle.seen_images),
    ):
        if part is not None:
            content = part.to_bytes()
            (folder / name).write_bytes(content)
            key = f"{name.partition('.')[0]}_sha256"
            info = info.model_copy(update={key: hashlib.sha256(content).hexdigest()})
    write_text(folder / DESCRIPTION, description_text(info))
    write_json(folder / CONVERSION, report.model_dump(mode="json"))
    write_text(folder / SCRIPT, script(form))
    write_text(folder / README, readme(form, info, report.summary))
    return report


def _description(form: Format, scheme: str, bundle: Bundle, files: dict[str, Path]) -> BundleInfo:
    hashes = {name: sha256_of_file(path) for name, path in files.items()}
    several = len(hashes) > 1
    graph = StoredGraph(
        runtime=form.runtime,
        dtype=form.dtype,
        scheme=scheme,
        converted_from=bundle.info.graph_sha256,
        files=hashes if several else {},
    )
    sha256 = sha256_of_json(hashes) if several else next(iter(hashes.values()))
    # The curves of the test subset were measured with the FP32 graph.
    return bundle.info.model_copy(update={"graph": graph, "graph_sha256": sha256, "evaluation_sha256": None})
