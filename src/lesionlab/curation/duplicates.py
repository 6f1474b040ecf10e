"""Search for pairs of images of one lesion: candidates by hash, network and local features, then registration."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from lesionlab.cpu import available_cores
from lesionlab.curation.features import ImageFeatures
from lesionlab.curation.pairs import ImagePair, PairKind
from lesionlab.curation.register import is_mirrored, is_unchanged, register
from lesionlab.images.perceptual_hash import NEAR_COPY_LIMIT, distances

# Of 2,500 unrelated pairs of HAM10000 and MILK10k none had more than 8. Pairs with 10 to 14 need review: see
# benchmarks/results/overlap_milk10k_checked.csv.
MIN_MATCHES = 10
NEIGHBOURS = 10  # candidates per image by the network, and as many by local features
_MIRROR_CANDIDATES = 3  # the network takes mirror images as alike
_VOTERS = 60  # local features per image that take part in the search for candidates
_COMPONENTS = 200
_CHUNK = 256


def find_duplicates(
    first: ImageFeatures, second: ImageFeatures | None = None, progress: Callable[[int, int], None] | None = None
) -> list[ImagePair]:
    """Return pairs of images of one lesion, best first.

    Args:
        first: Features of the images.
        second: Features of the images to compare with; default: the images are compared with each other.
        progress: Called with the number of images done and the total.
    """
    others = first if second is None else second
    near = _near(first, others)
    nearest = _by_network(first, others)
    voted = _by_local_features(first, others)

    def pairs_of(row: int) -> list[ImagePair]:
        close = dict(near[row])
        rows = {*close, *nearest[row].tolist(), *voted[row].tolist()}
        if second is None:
            rows = {other for other in rows if other != row}
        likely = {*close, *nearest[row][:_MIRROR_CANDIDATES].tolist()}
        found = (_pair(first, row, others, other, close.get(other), mirrored=other in likely) for other in sorted(rows))
        return [pair for pair in found if pair is not None]

    pairs: dict[tuple[int, int], ImagePair] = {}
    with ThreadPoolExecutor(available_cores()) as pool:
        for done, found in enumerate(pool.map(pairs_of, range(len(first))), 1):
            for pair in found:
                key = (pair.first, pair.second)
                key = (min(key), max(key)) if second is None else key
                if key not in pairs or pairs[key].matches < pair.matches:
                    pairs[key] = ImagePair(*key, pair.kind, pair.matches, pair.differing_bits)
            if progress is not None:
                progress(done, len(first))
    return sorted(pairs.values(), key=lambda pair: (-pair.score, pair.first, pair.second))


def _pair(a: ImageFeatures, i: int, b: ImageFeatures, j: int, bits: int | None, *, mirrored: bool) -> ImagePair | None:
    if a.pixels[i] == b.pixels[j]:
        return ImagePair(i, j, PairKind.IDENTICAL, int(a.counts[i]), 0)
    found = register(a, i, b, j, mirrored=mirrored)
    copied = bits is not None
    if not copied:
        bits = int(distances(a.hashes[i : i + 1], b.hashes[j : j + 1])[0, 0])
    if found is None or found.matches < MIN_MATCHES:
        # Small or blurred copies have few local features.
        kind = PairKind.SAME_LESION
        return ImagePair(i, j, kind, 0 if found is None else found.matches, bits or 0) if copied else None
    if is_mirrored(found):
        kind = PairKind.MIRRORED
    elif copied and is_unchanged(found):
        kind = PairKind.RESAVED
    else:
        kind = PairKind.CROPPED
    return ImagePair(i, j, kind, found.matches, bits or 0)


def _near(a: ImageFeatures, b: ImageFeatures) -> list[list[tuple[int, int]]]:
    """Return the images with similar perceptual hashes of each image, with the number of differing bits."""
    near: list[list[tuple[int, int]]] = [[] for _ in range(len(a))]
    for start in range(0, len(a), _CHUNK):
        bits = distances(a.hashes[start : start + _CHUNK], b.hashes)
        for i, j in np.argwhere(bits <= NEAR_COPY_LIMIT):
            near[start + int(i)].append((int(j), int(bits[i, j])))
    return near


def _by_network(a: ImageFeatures, b: ImageFeatures) -> NDArray[np.int64]:
    """Return the nearest images in the whitened space of the network's features, [N, NEIGHBOURS]."""
    mean = np.sqrt(b.embedding.clip(0)).mean(axis=0)
    centred_a, centred_b = (np.sqrt(x.embedding.clip(0)) - mean for x in (a, b))
    values, vectors = np.linalg.eigh(centred_b.T @ centred_b)
    kept = min(_COMPONENTS, len(b) - 1, len(values)) or 1
    deviations = np.sqrt(values[-kept:].clip(0))
    basis = vectors[:, -kept:] / (deviations + 0.3 * deviations[-1] + 1e-9)
    reduced_a, reduced_b = (
        y / np.maximum(np.linalg.norm(y, axis=1, keepdims=True), 1e-9) for y in (centred_a @ basis, centred_b @ basis)
    )
    k = min(NEIGHBOURS + 1, len(b))
    blocks = (
        np.argsort(-(reduced_a[start : start + _CHUNK] @ reduced_b.T), axis=1)[:, :k]
        for start in range(0, len(a), _CHUNK)
    )
    return np.concatenate(list(blocks))


def _by_local_features(a: ImageFeatures, b: ImageFeatures) -> list[NDArray[np.int64]]:
    """Return the images that share most local features with each image: an approximate search, with votes."""
    import cv2

    used = [np.arange(min(count, _VOTERS)) for count in b.counts]
    owner = np.repeat(np.arange(len(b)), [len(rows) for rows in used])
    stacked = np.concatenate([b.descriptors[i, rows] for i, rows in enumerate(used)]).astype(np.float32)
    if len(stacked) < 8:
        return [np.zeros(0, dtype=np.int64)] * len(a)
    cv2.setRNGSeed(0)
    index = cv2.flann.Index(stacked, {"algorithm": 1, "trees": 4})  # randomised k-d trees
    voted = []
    for i, count in enumerate(a.counts):
        if not count:
            voted.append(np.zeros(0, dtype=np.int64))
            continue
        query = a.descriptors[i, : min(count, 2 * _VOTERS)].astype(np.float32)
        rows, squares = index.knnSearch(query, 4, params={"checks": 32})
        weights = np.exp(-np.maximum(squares, 0) / (2 * 60.0**2))
        votes = np.bincount(owner[rows.ravel()], weights.ravel(), minlength=len(b))
        top = np.argsort(-votes, kind="stable")[: NEIGHBOURS + 1]
        voted.append(top[votes[top] > 0])
    return voted
