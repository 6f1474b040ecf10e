"""A smaller dataset with the proportions of the whole one."""

from lesionlab.data.manifest import Manifest
from lesionlab.data.stratify import quotas, shuffled
from lesionlab.errors import DataError, UsageError


def draw_subset(manifest: Manifest, images: int, seed: int = 0) -> Manifest:
    """Draw images from a manifest, stratified by diagnosis, the same on every machine.

    Each diagnosis keeps its share of the images, rounded by largest remainder, and at least one image. Images
    are drawn, not lesions: lesion ids are kept, so that the subset can be split by lesion.

    Args:
        manifest: The images to draw from.
        images: Number of images to draw.
        seed: Another seed draws other images.

    Raises:
        DataError: The manifest has fewer images.
        UsageError: There are more diagnoses than images to draw.
    """
    counts = {code: count for code, count in manifest.counts().items() if count}
    if images > len(manifest):
        raise DataError(f"{manifest.root}: has {len(manifest):,} images, {images:,} were asked for; ask for fewer")
    if images < len(counts):
        raise UsageError(
            f"images is {images}: {manifest.root} has {len(counts)} diagnoses ({', '.join(counts)}), and each "
            f"needs an image; ask for at least {len(counts)}"
        )
    wanted = quotas(images, {code: count / len(manifest) for code, count in counts.items()})
    ordered = shuffled((record.image_id for record in manifest), seed)
    diagnosis_of = {record.image_id: record.diagnosis for record in manifest}
    chosen = [
        image_id
        for code, count in wanted.items()
        for image_id in [name for name in ordered if diagnosis_of[name] == code][:count]
    ]
    return manifest.select(chosen)
