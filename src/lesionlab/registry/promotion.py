"""Promotion to a channel by acceptance criteria, rollback, and the record of each change."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.base_models import StrictModel
from lesionlab.bundle import Bundle, BundleInfo
from lesionlab.data import Manifest
from lesionlab.errors import UsageError
from lesionlab.evaluation import dataset_name, evaluate_subset, write_evaluation
from lesionlab.evaluation.predictions import Predictions
from lesionlab.evaluation.predictions_file import PREDICTIONS, read_predictions
from lesionlab.evaluation.seen import without_seen
from lesionlab.metrics import Estimate
from lesionlab.prediction import Predictor
from lesionlab.registry.criteria import CriterionResult, accepted, check_promotion, in_words
from lesionlab.registry.store import Channel, ChannelVersion, Registry, RegistryEntry, now

Progress = Callable[[int, int], None]


class ChangeRecord(StrictModel):
    """A promotion, a rejected promotion or a rollback.

    Attributes:
        notice: Limits of use.
        number: Number of the record.
        name: Name of the model.
        channel: The channel.
        date: Time, ISO 8601, UTC.
        decision: What was decided.
        reason: Reason for the change, as given.
        candidate: The version that was promoted, rejected or returned to.
        present: The version that the channel named before; None for the first one.
        changes: What differs between both: settings of the recipe, training data, calibration; present and candidate.
        dataset: Name of the dataset; None for a rollback.
        manifest_sha256: Hash of its manifest.
        n_images: Number of images.
        n_lesions: Number of their lesions.
        left_out: Number of images left out, since one of the models was fitted to them.
        seen_checked: Whether both models have an index of their training images.
        margin: Largest tolerated loss.
        criteria: The criteria; empty for the first version of a channel and for a rollback.
        figures: Overall figures of the candidate; empty for a rollback.
        lesionlab: Version of lesionlab.
    """

    notice: str = RESEARCH_ONLY
    number: int
    name: str
    channel: str
    date: str
    decision: Literal["promoted", "rejected", "rolled back"]
    reason: str
    candidate: RegistryEntry
    present: RegistryEntry | None
    changes: dict[str, tuple[str, str]]
    dataset: str | None = None
    manifest_sha256: str | None = None
    n_images: int = 0
    n_lesions: int = 0
    left_out: int = 0
    seen_checked: bool = False
    margin: float | None = None
    criteria: tuple[CriterionResult, ...] = ()
    figures: dict[str, Estimate] = Field(default_factory=dict)
    lesionlab: str = __version__


def promote(
    registry: Registry,
    reference: str,
    channel: str,
    manifest: Manifest,
    *,
    margin: float,
    reason: str,
    resamples: int = 1000,
    progress: Progress | None = None,
) -> ChangeRecord:
    """Compare a version with the present one of a channel, and let the channel name it if it is accepted.

    Images that one of both was fitted to are left out. The first version of a channel is measured, and not compared.
    The record is written in both cases, before the channel is changed.

    Args:
        registry: The registry.
        reference: The candidate, as `NAME@VERSION`.
        channel: The channel.
        manifest: The labelled images.
        margin: Largest tolerated loss (see `check_promotion`).
        reason: Reason for the change, for the record.
        resamples: Bootstrap resamples of lesions.
        progress: Called with the number of images done and the total.

    Raises:
        UsageError: There is no such version, the channel names it already, or no image is left.
        DataError: The registry or the data cannot be used.
        ImageError: An image cannot be read.
    """
    candidate = registry.find(reference)
    before = registry.channel(candidate.name, channel)
    present = None if before is None else registry.find(f"{candidate.name}@{before.present.version}")
    if present is not None and present.sha256 == candidate.sha256:
        raise UsageError(f"channel {channel} of {candidate.name} names version {candidate.version} already")
    entries = [candidate] if present is None else [present, candidate]
    images, checked = manifest, True
    for entry in entries:
        with registry.opened(entry) as bundle:
            images, counts = without_seen(bundle, images, identifiers=True, keep=False, progress=progress)
            checked &= counts is not None
    found, infos = [], []
    for entry in entries:
        with registry.opened(entry) as bundle:
            found.append(_evaluate(bundle, images, resamples, progress))
            infos.append(bundle.info)
    rows: tuple[CriterionResult, ...] = ()
    if present is not None:
        sources = {record.image_id: record.source for record in images}
        rows = check_promotion(found[0][0], found[1][0], sources, margin=margin, resamples=resamples)
    record = ChangeRecord(
        number=registry.change_number(candidate.name),
        name=candidate.name,
        channel=channel,
        date=now(),
        decision="promoted" if present is None or accepted(rows) else "rejected",
        reason=reason,
        candidate=candidate,
        present=present,
        changes={} if present is None else changed(infos[0], infos[1]),
        dataset=dataset_name(images),
        manifest_sha256=manifest.sha256,
        n_images=len(images),
        n_lesions=images.lesion_count,
        left_out=len(manifest) - len(images),
        seen_checked=checked,
        margin=margin if present is not None else None,
        criteria=rows,
        figures=found[-1][1],
    )
    _write(registry, record)
    if record.decision == "promoted":
        earlier = () if before is None else (*before.earlier, before.present)
        registry.save_channel(candidate.name, Channel(name=channel, present=_named(candidate, record), earlier=earlier))
    return record


def rollback(registry: Registry, name: str, channel: str, *, reason: str) -> ChangeRecord:
    """Let a channel name the version before the present one.

    Raises:
        UsageError: There is none.
        DataError: The version's bundle was changed.
    """
    before = registry.channel(name, channel)
    if before is None or not before.earlier:
        raise UsageError(f"channel {channel} of {name} has no earlier version to go back to")
    *earlier, last = before.earlier
    entry, present = (registry.find(f"{name}@{one.version}") for one in (last, before.present))
    with registry.opened(entry) as bundle, registry.opened(present) as left:
        changes = changed(left.info, bundle.info)
    record = ChangeRecord(
        number=registry.change_number(name),
        name=name,
        channel=channel,
        date=now(),
        decision="rolled back",
        reason=reason,
        candidate=entry,
        present=present,
        changes=changes,
    )
    _write(registry, record)
    registry.save_channel(name, Channel(name=channel, present=_named(entry, record), earlier=tuple(earlier)))
    return record


def changed(present: BundleInfo, candidate: BundleInfo) -> dict[str, tuple[str, str]]:
    """Return what differs between two models by name: present and candidate."""
    before, after = _described(present), _described(candidate)
    keys = sorted(before.keys() | after.keys())
    return {key: (before.get(key, "-"), after.get(key, "-")) for key in keys if before.get(key) != after.get(key)}


def record_markdown(record: ChangeRecord) -> str:
    """Return a record as a document."""
    former = record.present
    lines = [
        f"# Change {record.number} of {record.name}: {record.decision}",
        "",
        f"{record.notice}",
        "",
        f"- Channel: {record.channel}",
        f"- Date: {record.date}",
        f"- Reason: {record.reason}",
        f"- Version: {record.candidate.version} ({record.candidate.identity}, SHA-256 {record.candidate.sha256})",
        "- Version before: " + (f"{former.version} ({former.identity}, SHA-256 {former.sha256})" if former else "none"),
        f"- lesionlab {record.lesionlab}",
        "",
        "## What changed",
        "",
        *(["| | before | now |", "|---|---|---|"] if record.changes else ["Nothing was compared."]),
        *(f"| {key} | {_cell(old)} | {_cell(new)} |" for key, (old, new) in record.changes.items()),
    ]
    if record.dataset is not None:
        seen = "" if record.seen_checked else " At least one model has no index of its training images: not checked."
        counts = f"{record.n_images:,} images of {record.n_lesions:,} lesions (manifest {record.manifest_sha256})"
        lines += [
            "",
            "## Data",
            "",
            f"{record.dataset}: {counts}.",
            f"Left out, since a model was fitted to them: {record.left_out:,} images.{seen}",
        ]
    if record.figures:
        lines += [
            "",
            "## Figures of the version",
            "",
            "| metric | value (95%) |",
            "|---|---|",
            *(f"| {name.replace('_', ' ')} | {in_words(value)} |" for name, value in record.figures.items()),
        ]
    if record.criteria:
        lines += [
            "",
            "## Acceptance criteria",
            "",
            f"Margin {record.margin:g}. On all images the 95% interval of the difference must lie within the margin.",
            "On one source the candidate must not be worse by more than it, with an interval that excludes zero.",
            "",
            "| images | metric | before | now | outcome |",
            "|---|---|---|---|---|",
            *(
                f"| {_cell(row.images)} | {row.metric.replace('_', ' ')} | {in_words(row.present)} | "
                f"{in_words(row.candidate)} | {row.outcome}: {row.reason} |"
                for row in record.criteria
            ),
        ]
    return "\n".join(lines) + "\n"


def _evaluate(
    bundle: Bundle, images: Manifest, resamples: int, progress: Progress | None
) -> tuple[Predictions, dict[str, Estimate]]:
    """Return the predictions and the overall figures of a model, as `lesionlab evaluate` gives them."""
    evaluation = evaluate_subset(
        Predictor.load(bundle), images, subset="all", unseen=None, resamples=resamples, progress=progress
    )
    with tempfile.TemporaryDirectory() as folder:
        write_evaluation(Path(folder), evaluation)
        return read_predictions(Path(folder) / PREDICTIONS), evaluation.evaluated.summary.overall


def _described(info: BundleInfo) -> dict[str, str]:
    found: dict[str, Any] = {
        "classes": info.classes,
        "graph_sha256": info.graph_sha256,
        "parameters": info.parameters,
        "calibration": info.calibration.model_dump(mode="json"),
        "decision_rule": info.decision_rule.model_dump(mode="json"),
        "versions": info.versions,
    }
    found |= {f"training_data.{key}": value for key, value in info.training_data.model_dump(mode="json").items()}
    for table, settings in info.recipe.items():
        if isinstance(settings, dict):
            found |= {f"recipe.{table}.{key}": value for key, value in settings.items()}
        else:
            found[f"recipe.{table}"] = settings
    return {key: str(value) for key, value in found.items()}


def _named(entry: RegistryEntry, record: ChangeRecord) -> ChannelVersion:
    return ChannelVersion(version=entry.version, sha256=entry.sha256, since=record.date, record=record.number)


def _write(registry: Registry, record: ChangeRecord) -> None:
    place = f"{record.name}/changes/{record.number:04}"
    registry.write(f"{place}.md", record_markdown(record).encode())
    registry.write(f"{place}.json", (record.model_dump_json(indent=2) + "\n").encode())


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
