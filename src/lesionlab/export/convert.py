"""From a bundle to the formats of other runtimes, each compared with it before it is left in place."""

import hashlib
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lesionlab.bundle import Bundle, BundleInfo, Reference, StoredGraph, TrainingImages
from lesionlab.bundle.features import ood_scores
from lesionlab.bundle.split_recovery import recover_split
from lesionlab.bundle.store import DESCRIPTION, REFERENCE, TRAINING_IMAGES, description_text
from lesionlab.cpu import available_cores
from lesionlab.data import Manifest
from lesionlab.errors import LesionlabError, UsageError
from lesionlab.export.acceptance import AcceptanceReport, ModelOutputs, compare, time_in_turn
from lesionlab.export.bundle import fit_on_validation, validation_statistics
from lesionlab.export.formats import Format, Source
from lesionlab.export.formats.readme import readme, snippet
from lesionlab.export.measure import Measured, measure_images
from lesionlab.export.reference import REFUSED
from lesionlab.files import replacing_folder, sha256_of_file, sha256_of_json, write_json, write_text
from lesionlab.phantoms import write_phantoms
from lesionlab.prediction.inference.preprocessing import or_raise, prefetch_images
from lesionlab.prediction.inference.session import IMAGES_PER_RUN, GraphSession
from lesionlab.prediction.inference.tta import Session
from lesionlab.recipes import Recipe
from lesionlab.taxonomy import TASKS

logger = logging.getLogger(__name__)

CONVERSION = "conversion.json"
README = "README.md"
SCRIPT = "predict.py"
# Of each class; INT8 learns the ranges of values from them, and the rare classes' shall be among them.
_SEEN_PER_CLASS = 20
_STRANGE = 200
_PHANTOMS = 70


@dataclass(frozen=True)
class Examination:
    """The images by which a conversion is judged.

    Attributes:
        evaluated_on: What they are, in words.
        images: The images themselves.
        train: The training images; None where the images are phantoms, whose labels then mean nothing.
    """

    evaluated_on: str
    images: Manifest
    train: Manifest | None = None


def examination(info: BundleInfo, dataset: Manifest) -> Examination:
    """Return the training and validation images of a bundle's dataset.

    Args:
        info: Description of the bundle.
        dataset: The dataset that it was trained on, whole.

    Raises:
        UsageError: It was trained on another one.
    """
    again = recover_split(info, dataset)
    if again is None:
        raise UsageError(f"--data {dataset.root}: {info.name} was trained on other data; name the folder of those")
    manifest, split = again
    parts = split.parts()
    name = " + ".join(sorted({record.source for record in dataset}))
    return Examination(
        f"validation part of {name}", manifest.select(parts["validation"]), manifest.select(parts["train"])
    )


@contextmanager
def phantom_examination() -> Iterator[Examination]:
    """Yield phantoms to compare with where the training data are not at hand: they tell parity, not accuracy."""
    with tempfile.TemporaryDirectory() as folder:
        yield Examination("phantoms", write_phantoms(Path(folder) / "phantoms", lesions=_PHANTOMS))


def convert_bundle(
    bundle: Bundle,
    forms: Sequence[Format],
    out: Path,
    judged_by: Examination,
    *,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[AcceptanceReport]:
    """Convert a bundle, and leave in `out`, in a folder named after its format, each model that passes the gate.

    Where a format keeps the graph's numbers, the description is kept: it fits. INT8 has numbers of its own, so that
    what was fitted to answers (calibration, rule, prediction sets, effects of patient data, thresholds, and the
    limits of certainty and of the distance) is fitted to its own answers for the validation images, as an export does;
    figures of the test part belong to the FP32 graph and are left out until `lesionlab evaluate` measures them.

    Args:
        bundle: The FP32 bundle.
        forms: The formats.
        out: Where to write.
        judged_by: The images to judge by.
        threads: Threads to compute with; default: one per available core.
        progress: Called with the number of images judged and of all.

    Raises:
        UsageError: The bundle is a converted one itself, or a format lacks training images.
        LesionlabError: A format cannot be written.
    """
    if bundle.info.graph.converted_from is not None:
        raise UsageError(f"{bundle.path} was converted already; convert the bundle that it was made of")
    for form in forms:
        form.check()
        if form.learns and judged_by.train is None:
            raise UsageError(f"{form.name} learns the ranges of values from training images: name them with --data")
        _refuse_to_replace(out / form.name)
    work = _Work(bundle, judged_by, threads or available_cores(), _Progress(progress, len(forms) + 1))
    source = Source(bundle, work.seen() if any(form.learns for form in forms) else np.empty((0,), np.uint8))
    return [_convert(form, source, work, out / form.name) for form in forms]


class _Progress:
    """One count over several rounds of the same images."""

    def __init__(self, progress: Callable[[int, int], None] | None, rounds: int) -> None:
        self._progress, self._rounds, self._before = progress, rounds, 0

    def next_round(self) -> Callable[[int, int], None] | None:
        if self._progress is None:
            return None
        before, tell = self._before, self._progress
        self._before += 1
        return lambda done, total: tell(before * total + done, self._rounds * total)


class _Work:
    """What all formats are compared with: computed once."""

    def __init__(self, bundle: Bundle, judged_by: Examination, threads: int, progress: _Progress) -> None:
        self.bundle, self.judged_by, self.threads, self.progress = bundle, judged_by, threads, progress
        images = judged_by.images
        self.places = [images.location(record) for record in images]
        self.strange = [255 - pixels for pixels in self._prepared(self.places[:: max(1, len(self.places) // _STRANGE)])]
        self.session = GraphSession(bundle, threads)
        self.before = ModelOutputs(
            bundle.info, bundle.reference, *self.measure(self.session), megabytes=len(bundle.graph) / 1e6
        )

    def measure(self, session: Session) -> tuple[Measured, Measured]:
        return (
            measure_images(self.bundle, self.places, self.progress.next_round(), session),
            measure_images(self.bundle, self.strange, None, session),
        )

    def labels(self) -> NDArray[np.int64] | None:
        task = TASKS[self.bundle.info.task]
        if self.judged_by.train is None:
            return None
        return np.array([task.index(record.diagnosis) for record in self.judged_by.images])

    def seen(self) -> np.ndarray:
        train = self.judged_by.train
        if train is None:
            return np.empty((0,), np.uint8)
        return np.stack(self._prepared(calibration_places(train, self.bundle.info)))

    def _prepared(self, places: Sequence[str]) -> list[np.ndarray]:
        return [
            or_raise(item).pixels for item in prefetch_images(places, self.bundle.info.preprocessing, IMAGES_PER_RUN)
        ]


def calibration_places(train: Manifest, info: BundleInfo, per_class: int = _SEEN_PER_CLASS) -> list[str]:
    """Return places of training images, at most one of a lesion and so many of a class, drawn evenly.

    Args:
        train: The training images.
        info: Description of the model, with the classes.
        per_class: Number of images of each.
    """
    task = TASKS[info.task]
    one_of_each = {record.lesion_id: record for record in reversed(train.records)}
    by_class: dict[int, list[str]] = {}
    for lesion in sorted(one_of_each):
        record = one_of_each[lesion]
        by_class.setdefault(task.index(record.diagnosis), []).append(train.location(record))
    return [
        place
        for _, places in sorted(by_class.items())
        for place in places[:: max(1, len(places) // per_class)][:per_class]
    ]


def _convert(form: Format, source: Source, work: _Work, place: Path) -> AcceptanceReport:
    try:
        with replacing_folder(place) as folder:
            found = _write(form, source, work, folder)
    except _NotShippedError as failed:
        return failed.found
    logger.info("%s: %s", place, outcome(found))
    return found


class _NotShippedError(Exception):
    """A converted model failed the gate: nothing of it is left in place."""

    def __init__(self, found: AcceptanceReport) -> None:
        super().__init__(", ".join(found.failures))
        self.found = found


def _write(form: Format, source: Source, work: _Work, folder: Path) -> AcceptanceReport:
    """Fill a folder with a converted model.

    Raises:
        _NotShippedError: It fails the gate.
    """
    scheme = form.write(source, folder)
    files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    session = form.open(folder, source, work.threads)
    measured, strange = work.measure(session)
    info, reference = _described(form, scheme, source.bundle, files), source.bundle.reference
    if form.learns:
        info, reference = _fitted_again(info, reference, measured, work.judged_by)
    megabytes = sum(path.stat().st_size for path in files.values()) / 1e6
    found = compare(
        form,
        scheme,
        work.before,
        ModelOutputs(info, reference, measured, strange, megabytes),
        time_in_turn(work.session, session, np.stack(work.strange[:8])),
        evaluated_on=work.judged_by.evaluated_on,
        threads=work.threads,
        labels=work.labels(),
        lesion_ids=[record.lesion_id for record in work.judged_by.images],
    )
    if not found.passed:
        raise _NotShippedError(found)
    _finish(form, info, reference, source.bundle.training_images, found, folder)
    return found


def _described(form: Format, scheme: str, bundle: Bundle, files: dict[str, Path]) -> BundleInfo:
    hashes = {name: sha256_of_file(path) for name, path in files.items()}
    several = len(hashes) > 1
    stored = StoredGraph(
        runtime=form.runtime,
        dtype=form.numbers,
        scheme=scheme,
        converted_from=bundle.info.graph_sha256,
        files=hashes if several else {},
    )
    sha256 = sha256_of_json(hashes) if several else next(iter(hashes.values()))
    # Curves of the test part are filed under the graph that they were measured of.
    update = {"graph": stored, "graph_sha256": sha256, "evaluation_sha256": None}
    return bundle.info.model_copy(update=update)


def _fitted_again(
    info: BundleInfo, reference: Reference | None, measured: Measured, judged_by: Examination
) -> tuple[BundleInfo, Reference | None]:
    """Return the description and the reference with all that follows from answers fitted to these."""
    if judged_by.train is None:
        raise UsageError("what follows from answers is fitted to validation images: give --data")
    task, recipe = TASKS[info.task], Recipe.model_validate(info.recipe)
    logits = measured.logits.astype(np.float64)
    fitted = fit_on_validation(logits, judged_by.train, judged_by.images, recipe.inference, task)
    if reference is not None:
        space = reference.features
        if space is not None and len(measured.features):
            limit = np.quantile(ood_scores(space, measured.features), 1 - REFUSED, method="higher")
            reference = replace(reference, features=replace(space, limit=np.asarray(limit, np.float32)))
        reference = replace(reference, validation=validation_statistics(measured, reference, fitted, task))
    return info.model_copy(update={**fitted, "metrics": {}}), reference


def _finish(
    form: Format,
    info: BundleInfo,
    reference: Reference | None,
    cases: TrainingImages | None,
    found: AcceptanceReport,
    folder: Path,
) -> None:
    for name, part in ((REFERENCE, reference), (TRAINING_IMAGES, cases)):
        if part is not None:
            data = part.to_bytes()
            (folder / name).write_bytes(data)
            key = f"{name.partition('.')[0]}_sha256"
            info = info.model_copy(update={key: hashlib.sha256(data).hexdigest()})
    write_text(folder / DESCRIPTION, description_text(info))
    write_json(folder / CONVERSION, found.model_dump(mode="json"))
    write_text(folder / SCRIPT, snippet(form))
    write_text(folder / README, readme(form, info, outcome(found)))


def outcome(found: AcceptanceReport) -> str:
    """Return in a line how a converted model compares with the one that it was made of."""
    parts = [
        f"same answer for {found.agreement:.1%} of {found.images} images ({found.evaluated_on})",
        f"probabilities within {found.largest_difference:.2g}",
    ]
    if found.loss is not None and found.loss.value is not None:
        parts.append(f"balanced accuracy {found.balanced_accuracy:.3f} after {found.fp32_balanced_accuracy:.3f}")
    parts.append(f"{found.megabytes:.1f} MB after {found.fp32_megabytes:.1f}")
    if found.computed_by != "runtime":
        parts.append("computed by a stand-in for its runtime, which does not exist here")
    return "; ".join(parts) + "."


def _refuse_to_replace(place: Path) -> None:
    if place.exists() and not (place / CONVERSION).exists():
        raise LesionlabError(f"{place} exists and is no converted model; choose another place")
