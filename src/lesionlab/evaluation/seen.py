"""Images of a dataset that the model was fitted to: left out of an evaluation, or counted and marked."""

from collections.abc import Callable

from lesionlab.bundle import Bundle, SeenCounts
from lesionlab.data import Manifest
from lesionlab.errors import UsageError
from lesionlab.evaluation.wording import counted

# An imported model has an index of its calibration images alone.
_UNKNOWN = (
    "Not checked: the evaluation may contain training images. The model was imported, and its training images are "
    "unknown."
)


def without_seen(
    bundle: Bundle,
    images: Manifest,
    *,
    identifiers: bool,
    keep: bool,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Manifest, SeenCounts | None]:
    """Return the images to evaluate, and the number of images that the model was fitted to.

    Args:
        bundle: The model.
        images: The images of the dataset or of its test subset.
        identifiers: Whether identifiers are compared as well; not on the model's own dataset, which its split divides.
        keep: Whether images that the model was fitted to are kept.
        progress: Called with the number of images done and the total.

    Returns:
        The images; and the counts, or None for a bundle without an index of its training images.

    Raises:
        UsageError: No image is left.
        ImageError: An image cannot be read.
    """
    if bundle.seen_images is None:
        return images, None
    salt = bundle.info.training_data.manifest_sha256
    found, seen = bundle.seen_images.find(images, salt, identifiers=identifiers, progress=progress)
    if keep or not found:
        return images, seen.model_copy(update={"kept": bool(found)})
    left = {record.image_id for record in images} - {record.image_id for record in found}
    if not left:
        raise UsageError(
            f"{images.root}: {bundle.info.name} was fitted to all {counted(len(found), 'image')}; evaluate other "
            "images, or keep these and mark their figures with --keep-seen"
        )
    return images.select(left), seen


def overlap_in_words(unseen: bool | None, seen: SeenCounts | None) -> str:
    """Return a sentence about images that the model was fitted to; empty if none was found."""
    if seen is not None and seen.images:
        images = f"{counted(seen.images, 'image')} of {counted(seen.lesions, 'lesion')}"
        how = f"{seen.by_identifier} recognised by identifier, {seen.by_pixels} by perceptual hash"
        if seen.kept:
            return f"The model was fitted to {images} of this evaluation ({how}): the figures are too optimistic."
        unknown = f" {_UNKNOWN}" if unseen is None else ""
        return f"{images} left out: training or validation data of the model ({how}).{unknown}"
    if unseen is None and seen is not None:
        return _UNKNOWN
    if unseen is None:
        return (
            "Not checked: the evaluation may contain training images. The bundle has no index of its training images; "
            "export its run again."
        )
    return "" if unseen else "The model was fitted to these images: the figures are too optimistic."
