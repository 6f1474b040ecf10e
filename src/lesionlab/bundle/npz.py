"""Arrays by name in one compressed file, never pickled."""

import io
from collections.abc import Mapping

import numpy as np


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the file; the same content is the same bytes."""
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def read_npz(data: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of such a file.

    Raises:
        ValueError: It cannot be read; the message holds the reason.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as opened:
            return dict(opened.items())
    except Exception as error:  # zip, zlib, struct and numpy have no common base
        raise ValueError(f"it cannot be read ({error})") from error
