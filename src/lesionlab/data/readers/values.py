"""Values of a table's cells, as the datasets write them."""

from lesionlab.data.split import TEST, TRAIN, VALIDATION

UNKNOWN = frozenset({"", "unknown", "na", "n/a", "nan", "none", "null"})
SEXES = {"male": "male", "m": "male", "female": "female", "f": "female"}
# Of the ISIC archive, ISIC 2018, MILK10k, and PAD-UFES-20 (biopsed).
_DX_TYPES = {
    "histopathology": "histo",
    "true": "histo",
    "serial imaging showing no change": "follow_up",
    "single image expert consensus": "consensus",
    "confocal microscopy with consensus dermoscopy": "confocal",
}
_SUBSETS = {
    **dict.fromkeys(("train", "training", "trainset"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing", "testset"), TEST),
}


def number_text(text: str) -> str:
    """Return a number as written with a decimal comma or point, with a point."""
    return text.replace(",", ".")


def dx_type(text: str | None) -> str | None:
    """Return the method of confirmation by HAM10000's name, if it has one."""
    if text is None or text.lower() == "false":
        return None
    return _DX_TYPES.get(text.lower(), text)


def image_type(text: str | None) -> str | None:
    """Return `dermoscopic`, `clinical`, or the type as stated."""
    lower = (text or "").lower()
    return next((kind for kind in ("dermoscopic", "clinical") if kind in lower), text)


def subset_name(name: str) -> str | None:
    """Return the subset that a folder, a file or a value names, None if it names none.

    Example:
        >>> subset_name("ISIC_2019_Training_GroundTruth"), subset_name("val"), subset_name("nevus")
        ('train', 'validation', None)
    """
    words = name.lower().replace("-", "_").replace(".", "_").split("_")
    return next((_SUBSETS[word] for word in words if word in _SUBSETS), None)
