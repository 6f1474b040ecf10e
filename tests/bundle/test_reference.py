"""`reference.npz` holds numbers only and survives a round trip."""

import io
import pickle
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.bundle import FeatureSpace, ImageLimits, LinearHead, Reference


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def whole() -> Reference:
    return Reference(
        head=LinearHead(numbers(7, 12), numbers(7)),
        image=ImageLimits(numbers(), numbers(), numbers()),
        features=FeatureSpace(numbers(12), numbers(3, 12).astype(np.float16), numbers()),
    )


def packed(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


@pytest.mark.parametrize("groups", [(), ("head",), ("image", "features"), ("head", "image", "features")])
def test_round_trip(groups: tuple[str, ...]) -> None:
    written = Reference(**{group: getattr(whole(), group) for group in groups})
    read = Reference.from_bytes(written.to_bytes())
    for group in ("head", "image", "features"):
        before, after = getattr(written, group), getattr(read, group)
        assert (before is None) == (after is None) == (group not in groups)
        for field in fields(before) if before is not None else ():
            array = getattr(after, field.name)
            np.testing.assert_array_equal(array, getattr(before, field.name))
            assert array.dtype == getattr(before, field.name).dtype


def test_the_same_content_is_the_same_bytes() -> None:
    assert whole().to_bytes() == whole().to_bytes()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cannot be read"),
        (b"PK", "cannot be read"),
        (packed(head_weights=np.zeros((7, 2), np.float32)), "it lacks head_bias"),
        (packed(head_weights=np.zeros((7, 2)), head_bias=np.zeros(7)), "head_weights does not hold finite 16- or 32-"),
        (packed(head_weights=np.full((1, 1), np.nan, np.float32)), "does not hold finite"),
        (packed(image_darkest=np.array(["a"])), "image_darkest does not hold finite"),
        (packed(head_weights=np.array([{}], object)), "cannot be read .Object arrays cannot be loaded"),
        (pickle.dumps({"head_weights": 1}), "cannot be read .*allow_pickle"),
    ],
)
def test_other_content_is_an_error(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Reference.from_bytes(data)


@given(place=st.integers(0, 1 << 16), value=st.integers(1, 255))
def test_damage_is_an_error_of_one_kind_or_no_damage(place: int, value: int) -> None:
    data = bytearray(whole().to_bytes())
    data[place % len(data)] ^= value
    try:
        read = Reference.from_bytes(bytes(data))
    except ValueError:
        return
    assert isinstance(read, Reference)
