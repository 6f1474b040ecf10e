"""Balancing by copies before the split, as some published work does it, and leaving the copies out again."""

from dataclasses import replace

from lesionlab.data.manifest import ImageRecord, Manifest
from lesionlab.errors import DataError

_COPY_MARK = "~"


def oversample(manifest: Manifest) -> Manifest:
    """Fill every diagnosis up with copies of its records to the size of the largest.

    This serves only to repeat a published arrangement. A split by image that follows puts copies of one image
    on both sides, so that every figure is too good. Training that is to be judged balances after the split, in
    its sampler, and needs no copies.

    A copy has the path, the lesion and the facts of its record; its id is `<id>~2`, `<id>~3` and so on. Within
    a diagnosis the numbers of copies of two images differ by at most one.

    Raises:
        DataError: The manifest holds copies already, in part.
    """
    members: dict[str, list[ImageRecord]] = {}
    for record in manifest:
        members.setdefault(record.diagnosis, []).append(record)
    largest = max(map(len, members.values()))
    taken = {record.image_id for record in manifest}
    copies: list[ImageRecord] = []
    for records in members.values():
        rounds, rest = divmod(largest, len(records))
        for position, record in enumerate(records):
            for number in range(2, rounds + (position < rest) + 1):
                image_id = f"{record.image_id}{_COPY_MARK}{number}"
                if image_id in taken:
                    raise DataError(
                        f"{manifest.root}: {image_id} is a copy already; oversample the images without their copies"
                    )
                copies.append(replace(record, image_id=image_id))
    return Manifest(manifest.root, (*manifest.records, *copies), manifest.lesions_known)


def without_copies(manifest: Manifest) -> Manifest:
    """Return a manifest with one record per path, the one whose `image_id` comes first: the image itself."""
    first: dict[str, ImageRecord] = {}
    for record in manifest:
        first.setdefault(record.path, record)
    return Manifest(manifest.root, tuple(first.values()), manifest.lesions_known)
