"""Conversion of embedded colour profiles to sRGB."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from lesionlab.images import decode_image
from lesionlab.images.colour_profile import CONVERTED, IGNORED
from tests.images import profiles
from tests.images.profiles import P3_OF_PHONES, parametric, rgb_profile


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def linear(values: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return result


def expected(image: Image.Image, primaries: tuple[tuple[float, float, float], ...], gamma: float | None) -> np.ndarray:
    values = np.asarray(image) / 255
    values = linear(values) if gamma is None else values**gamma
    values = values @ np.array(primaries) @ np.linalg.inv(np.array(profiles.SRGB))
    values = np.clip(values, 0, 1)
    result: np.ndarray = 255 * np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)
    return result


@pytest.mark.parametrize(
    ("primaries", "gamma"),
    [(profiles.DISPLAY_P3, None), (profiles.ADOBE_RGB, 563 / 256), (profiles.PROPHOTO, 1.8)],
    ids=["Display P3", "Adobe RGB", "ProPhoto RGB"],
)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_colours_are_converted_to_srgb(
    photograph: Image.Image, primaries: tuple[tuple[float, float, float], ...], gamma: float | None, kind: str
) -> None:
    curve = parametric(3, *profiles.SRGB_CURVE) if gamma is None else parametric(0, gamma)
    options = {"lossless": True} if kind == "WEBP" else {}
    decoded = decode_image(encoded(photograph, kind, icc_profile=rgb_profile(primaries, curve), **options))
    assert decoded.notes == (CONVERTED,)
    assert np.abs(np.asarray(decoded.image) - expected(photograph, primaries, gamma)).max() < 2.5


def test_a_reduced_jpeg_is_converted(photograph: Image.Image) -> None:
    large = photograph.resize((1600, 1200))
    plain = decode_image(encoded(large, "JPEG"), at_least=(200, 200))
    tagged = decode_image(encoded(large, "JPEG", icc_profile=P3_OF_PHONES), at_least=(200, 200))
    assert tagged.image.size == plain.image.size != large.size
    assert tagged.notes == (CONVERTED,)
    assert np.abs(np.asarray(tagged.image) - expected(plain.image, profiles.DISPLAY_P3, None)).max() < 2.5


@pytest.mark.parametrize(
    "profile",
    [
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        rgb_profile(profiles.SRGB, parametric(3, *profiles.SRGB_CURVE)),
        rgb_profile(
            profiles.SRGB, profiles.table([round(65535 * v) for v in linear(np.linspace(0, 1, 1024)).tolist()])
        ),
    ],
    ids=["Pillow", "parametric", "table"],
)
@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_srgb_stays_unchanged(photograph: Image.Image, profile: bytes, mode: str) -> None:
    image = photograph.convert(mode)
    plain, tagged = decode_image(encoded(image)), decode_image(encoded(image, icc_profile=profile))
    assert tagged.notes == plain.notes
    assert np.array_equal(np.asarray(tagged.image), np.asarray(plain.image))


def test_a_profile_with_a_missing_part_is_noted(photograph: Image.Image) -> None:
    curve = profiles.table(list(range(0, 60_000, 2)))
    data = encoded(photograph, "JPEG", icc_profile=rgb_profile(profiles.ADOBE_RGB, curve))
    assert data.count(b"ICC_PROFILE") > 1
    decoded = decode_image(data.replace(b"ICC_PROFILE\0\1", b"icc_profile\0\1"))
    assert decoded.notes == (IGNORED,)


@pytest.mark.parametrize("profile", [b"rubbish", P3_OF_PHONES[:200], P3_OF_PHONES[:128] + bytes(300)])
def test_a_damaged_profile_is_noted(photograph: Image.Image, profile: bytes) -> None:
    decoded = decode_image(encoded(photograph, icc_profile=profile))
    assert decoded.notes == (IGNORED,)
    assert np.array_equal(np.asarray(decoded.image), np.asarray(photograph))


def test_a_profile_for_other_pixels_is_noted(photograph: Image.Image) -> None:
    decoded = decode_image(encoded(photograph.convert("L"), icc_profile=P3_OF_PHONES))
    assert IGNORED in decoded.notes


def test_grey_and_transparent_images_keep_their_notes(photograph: Image.Image) -> None:
    profile, grey = profiles.icc_profile(b"GRAY", {b"kTRC": parametric(0, 1.0)}), photograph.convert("L")
    decoded = decode_image(encoded(grey, icc_profile=profile))
    assert decoded.notes == (CONVERTED, "grey image: the model was trained on colour")
    assert np.abs(np.asarray(decoded.image) - expected(grey.convert("RGB"), profiles.SRGB, 1.0)).max() < 1
    bilevel = decode_image(encoded(grey.convert("1"), icc_profile=profile))
    assert bilevel.notes == decoded.notes
    clear = photograph.copy()
    clear.putalpha(Image.new("L", clear.size, 0))
    decoded = decode_image(encoded(clear, icc_profile=P3_OF_PHONES))
    assert decoded.notes == (CONVERTED, "transparent pixels composited on white")
    assert np.asarray(decoded.image).min() == 255


def test_rotation_and_conversion_go_together(photograph: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode_image(encoded(photograph, exif=exif, icc_profile=P3_OF_PHONES))
    assert decoded.notes == ("rotated by its EXIF orientation", CONVERTED)
    assert decoded.image.size == photograph.size[::-1]
