"""Add the index of seen images to a bundle of an earlier version: `python scripts/add_seen_images.py BUNDLE DATA`.

DATA is the training dataset. The split is recovered from it; all other files of the bundle keep their bytes, and the
stored test results stay valid.
"""  # noqa: INP001

import sys
from pathlib import Path

from lesionlab.bundle import Bundle, SeenImages
from lesionlab.bundle.split_recovery import recover_split
from lesionlab.bundle.store import SEEN_IMAGES, save_bundle
from lesionlab.data import read_dataset
from lesionlab.errors import LesionlabError, UsageError


def main(bundle_path: Path, data: Path) -> None:
    """Write the bundle again, with the index."""
    bundle = Bundle.load(bundle_path)
    recovered = recover_split(bundle.info, read_dataset(data))
    if recovered is None:
        raise UsageError(f"{data} is not the training dataset of {bundle.info.identity}; give that dataset")
    manifest, split = recovered
    subsets = split.subsets()
    index = SeenImages.of(
        [manifest.select(subsets[name]) for name in ("train", "validation") if subsets[name]],
        bundle.info.training_data.manifest_sha256,
    )
    saved = save_bundle(
        bundle.path,
        bundle.info,
        bundle.graph,
        reference=bundle.reference,
        evaluation=bundle.evaluation,
        training_images=bundle.training_images,
        seen_images=index,
        clinical=bundle.clinical,
    )
    size = len(index.to_bytes()) / 1000
    sys.stdout.write(f"{saved.path}: {SEEN_IMAGES} with {len(index)} images, {size:.0f} kB, limit {index.limit} bits\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except LesionlabError as error:
        sys.exit(str(error))
