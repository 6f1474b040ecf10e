"""Oversampling with copies before the split, as in some publications, and removal of the copies."""

from dataclasses import replace

from lesionlab.data.manifest import ImageRecord, Manifest
from lesionlab.errors import DataError

_COPY_MARK = "~"


def oversample(manifest: Manifest) -> Manifest:
    """Oversample every diagnosis with copies of its records to the size of the largest.

    Only for reproducing published protocols: a following split by image puts copies of an image into training and test,
    so that all metrics are too high. Valid training balances after the split, in its sampler.

    A copy has the metadata of its record and the id `<id>~2`, `<id>~3` and so on. Within a diagnosis the numbers of
    copies differ by at most one.

    Raises:
        DataError: The manifest has copies already.
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
    """Return a manifest with one record per path, the original."""
    first: dict[str, ImageRecord] = {}
    for record in manifest:
        first.setdefault(record.path, record)
    return Manifest(manifest.root, tuple(first.values()), manifest.lesions_known)
