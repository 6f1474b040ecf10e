"""Conversion of colours by the profile (ICC) that an image file embeds to sRGB, the space of the training images."""

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

CONVERTED = "colours converted to sRGB by the embedded profile"
IGNORED = "the embedded colour profile is not readable and was ignored: colours may be off"
OTHER_COLOURS = "colours that are not sRGB were not converted: they may be off"

_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # colour space of a profile: mode of the pixels
# Versions of the sRGB profile differ by rounding of their curves and primaries.
_SRGB_LEVELS = 3
_STEPS = (0, 32, 64, 128, 192, 255)


def to_srgb(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """Return an image with its colours in sRGB, relative colorimetric, and notes.

    Images without a profile or with one of sRGB are returned unchanged, as are those whose profile is damaged or made
    for another colour space, with a note. Transparency is kept.
    """
    profile = image.info.get("icc_profile", b"")
    if profile is None:  # Pillow could not put its parts together
        return image, (IGNORED,)
    if not profile:
        return image, ()
    try:
        transform = _transform(profile)
        if transform is None:
            return image, ()
        pixels, alpha = _without_alpha(image)
        if pixels.mode != transform.input_mode:
            return image, (IGNORED,)
        converted = transform.apply(pixels)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, SyntaxError):
        return image, (IGNORED,)
    if pixels.mode == "L":  # the model's notes on grey images stay
        converted = converted.convert("L")
    if alpha is not None:
        converted.putalpha(alpha)
    # Pillow images in memory are converted only once.
    converted.info = {key: value for key, value in image.info.items() if key not in ("icc_profile", "transparency")}
    return converted, (CONVERTED,)


def _without_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    if image.mode in ("LA", "La"):
        image = image.convert("LA")
        return image.getchannel("L"), image.getchannel("A")
    if image.mode in ("RGBA", "RGBa", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        return image.convert("RGB"), image.getchannel("A")
    mode = {"P": "RGB", "1": "L"}.get(image.mode, image.mode)
    return image if mode == image.mode else image.convert(mode), None


@lru_cache(maxsize=16)
def _transform(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    """Return the transform to RGB pixels in sRGB, None for a profile of sRGB."""
    opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    mode = _MODES.get(opened.profile.xcolor_space.strip())
    if mode is None:
        raise ValueError(f"a profile for {opened.profile.xcolor_space}")
    description = opened.profile.profile_description or ""
    if mode == "RGB" and description.startswith("sRGB") and "linear" not in description.lower():
        return None
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    # For grey, Little CMS would interpolate a table of 33 values, which is off by up to ten levels.
    flags = ImageCms.Flags.NOOPTIMIZE if mode == "L" else ImageCms.Flags.NONE
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    transform = ImageCms.ImageCmsTransform(opened, srgb, mode, "RGB", intent, flags=flags)
    if mode != "CMYK":
        values = np.stack(np.meshgrid(_STEPS, _STEPS, _STEPS), axis=-1).reshape(len(_STEPS), -1, 3).astype(np.uint8)
        colours = Image.fromarray(values if mode == "RGB" else values[..., 0].copy())
        change = np.asarray(transform.apply(colours)).astype(int) - np.asarray(colours.convert("RGB"))
        if np.abs(change).max() <= _SRGB_LEVELS:
            return None
    return transform
