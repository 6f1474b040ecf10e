"""Parts of a dataset: the images of a task, and a smaller dataset with the class proportions of the whole one."""

from collections import Counter
from collections.abc import Mapping

from lesionlab.data.manifest import Manifest
from lesionlab.data.stratify import largest_remainder, shuffled
from lesionlab.errors import DataError, UsageError
from lesionlab.taxonomy import LABELS, Task


def images_of_task(manifest: Manifest, task: Task, *, partial: bool = False) -> tuple[Manifest, dict[str, int]]:
    """Return the images whose label determines a class of a task, and the number of the others by label.

    Args:
        manifest: The images.
        task: The task.
        partial: Whether to keep images whose label allows several classes as well, such as `benign`.

    Raises:
        DataError: There is no such image.
    """
    kept_labels = {label for label in LABELS if task.determines(label)}
    if partial:  # a label that allows every class says nothing
        kept_labels |= {label for label in LABELS if 0 < len(task.compatible(label)) < len(task.classes)}
    others = Counter(record.diagnosis for record in manifest if record.diagnosis not in kept_labels)
    if not others:
        return manifest, {}
    left_out = {label: others[label] for label in LABELS if others[label]}
    kept = [record.image_id for record in manifest if record.diagnosis not in others]
    if not kept:
        raise DataError(f"{manifest.root}: {left_out_in_words(left_out, task)}: no image is left")
    return manifest.select(kept), left_out


def left_out_in_words(left_out: Mapping[str, int], task: Task) -> str:
    """Return how many images have which labels that determine no class of a task; empty for none."""
    if not left_out:
        return ""
    total, labels = sum(left_out.values()), ", ".join(f"{label} {count:,}" for label, count in left_out.items())
    images = "1 image has a label that determines" if total == 1 else f"{total:,} images have labels that determine"
    return f"{images} no class of task {task.name} ({labels})"


def draw_subset(manifest: Manifest, images: int, seed: int = 0) -> Manifest:
    """Draw images from a manifest, stratified by diagnosis, identically on every machine.

    Images are apportioned to the diagnoses by the largest remainder method (Hamilton) with a minimum of one. Images
    are drawn, not lesions: lesion ids are kept, so that the subset can be split by lesion.

    Args:
        manifest: The images to draw from.
        images: Number of images to draw.
        seed: Seed of the draw.

    Raises:
        DataError: The manifest has fewer images.
        UsageError: There are more diagnoses than images to draw.
    """
    counts = {code: count for code, count in manifest.counts().items() if count}
    if images > len(manifest):
        raise DataError(f"{manifest.root}: has {len(manifest):,} images, {images:,} were requested; request fewer")
    if images < len(counts):
        raise UsageError(
            f"images is {images}: {manifest.root} has {len(counts)} diagnoses ({', '.join(counts)}), and each "
            f"needs an image; request at least {len(counts)}"
        )
    members: dict[str, list[str]] = {code: [] for code in counts}
    diagnoses = {record.image_id: record.diagnosis for record in manifest}
    for image_id in shuffled(diagnoses, seed):
        members[diagnoses[image_id]].append(image_id)
    drawn = _apportion(images, counts)
    return manifest.select(image_id for code, count in drawn.items() for image_id in members[code][:count])


def _apportion(images: int, counts: Mapping[str, int]) -> dict[str, int]:
    """Return the number of images per class: largest remainders, with at least one image for each class.

    A class that would get none gets one image. The other images are apportioned again among the other classes, so
    that these share the cost in proportion to their sizes.
    """
    total = sum(counts.values())
    apportioned = largest_remainder(images, {code: count / total for code, count in counts.items()})
    others = {code: counts[code] for code, count in apportioned.items() if count}
    if len(others) == len(counts):
        return apportioned
    return dict.fromkeys(counts, 1) | _apportion(images - len(counts) + len(others), others)
