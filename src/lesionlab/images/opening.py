"""Opening of image files with Pillow: format, limits, and facts that Pillow does not return."""

import io
from typing import Final

from PIL import Image, PngImagePlugin
from PIL.TiffImagePlugin import TiffImageFile

from lesionlab.errors import ImageError
from lesionlab.images.bounds import MAX_PIXELS, MAX_PIXELS_OF, check_decoding_time, check_size
from lesionlab.images.boxes import jpeg2000_profile, jpeg_xl_header
from lesionlab.images.formats import pillow_formats
from lesionlab.images.hidden_warnings import warnings_hidden

_MAIN_IMAGE_FIRST: Final = ("JPEG", "MPO", "HEIF")  # the further images are versions of it
_MAX_REDUCED_VERSIONS: Final = 32
_NEW_SUBFILE_TYPE: Final = 254
_REDUCED: Final = 1
_MASK: Final = 4
_SEVERAL_FRAMES: Final = "the file holds several frames (animation or pages); export a single one"

# Pillow refuses files with longer texts; editors store some megabytes of them in PNG files.
PngImagePlugin.MAX_TEXT_CHUNK = max(PngImagePlugin.MAX_TEXT_CHUNK, 16 * 2**20)


def open_image(data: bytes) -> Image.Image:
    """Open an image file; its pixels are decoded later, except those of JPEG XL.

    Raises:
        ImageError: The image would take minutes to decode, is too large or too small, has several frames, or needs an
            extra that is not installed.
        Exception: The file is damaged. The exceptions depend on the format and on the damage.
    """
    check_decoding_time(data)
    formats = pillow_formats(data)
    turned = False
    if formats == ("JXL",):  # its decoder has no limits
        header = jpeg_xl_header(data)
        check_size(*header.size, limit=MAX_PIXELS_OF["JXL"])
        if header.animated:
            raise ImageError(_SEVERAL_FRAMES)
        turned = header.orientation != 1
    with warnings_hidden("PIL"):
        opened = Image.open(io.BytesIO(data), formats=formats)
        check_size(*opened.size, limit=MAX_PIXELS_OF.get(opened.format or "", MAX_PIXELS))
        if _page_kind(opened) & _REDUCED:
            raise ImageError(
                "the first image in this file is a preview of a raw image; export the image as JPEG or PNG"
            )
        if getattr(opened, "is_animated", False) and opened.format not in _MAIN_IMAGE_FIRST and not _is_one(opened):
            raise ImageError(_SEVERAL_FRAMES)
    if opened.format == "JPEG2000" and (profile := jpeg2000_profile(data)):
        opened.info["icc_profile"] = profile
    if turned and not getattr(opened, "jpeg", False):
        opened.info.pop("exif", None)  # its orientation is already applied, unless the file packs a JPEG
    return opened


def _is_one(opened: Image.Image) -> bool:
    """Return whether all pages of a TIFF but the first are marked as its reduced versions or masks."""
    pages = getattr(opened, "n_frames", 1)
    if opened.format != "TIFF" or pages > _MAX_REDUCED_VERSIONS:
        return False
    kinds = []
    for page in range(pages):
        opened.seek(page)
        kinds.append(_page_kind(opened))
    opened.seek(0)
    return all(kind & (_REDUCED | _MASK) for kind in kinds[1:])


def _page_kind(opened: Image.Image) -> int:
    kind = opened.tag_v2.get(_NEW_SUBFILE_TYPE, 0) if isinstance(opened, TiffImageFile) else 0
    return kind if isinstance(kind, int) else 0
