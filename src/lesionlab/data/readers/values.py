"""Values of a table's cells, as the datasets write them."""

import re

from lesionlab.data.split import TEST, TRAIN, VALIDATION

UNKNOWN = frozenset({"", "unknown", "na", "n/a", "nan", "none", "null"})
SEXES = {
    **dict.fromkeys(("male", "m", "man", "männlich"), "male"),
    **dict.fromkeys(("female", "f", "woman", "w", "weiblich"), "female"),
}
# Of the ISIC archive and challenges, MILK10k, PAD-UFES-20, Derm7pt and DICOM, by HAM10000's names. Areas of several of
# HAM10000's sites are unknown sites.
_SITES = {
    **dict.fromkeys(("anterior torso", "lateral torso", "torso"), "trunk"),
    "posterior torso": "back",
    **dict.fromkeys(("palms soles", "palms", "soles", "palm of hand", "sole of foot"), "acral"),
    **dict.fromkeys(("nose", "lip", "cheek", "forehead"), "face"),
    **dict.fromkeys(("arm", "upper arm", "elbow", "forearm", "wrist", "upper limbs", "upper limb"), "upper extremity"),
    **dict.fromkeys(
        ("leg", "thigh", "knee", "lower leg", "calf", "ankle", "lower limbs", "lower limb"), "lower extremity"
    ),
    "breast": "chest",
    **dict.fromkeys(("genital areas", "genitalia"), "genital"),
    **dict.fromkeys(("head", "head neck", "head and neck", "head neck face", "oral genital", "buttocks"), "unknown"),
}
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


def site_name(text: str) -> str:
    """Return an anatomical site by HAM10000's name, `unknown` for an area of several sites; others as stated.

    Example:
        >>> site_name("Anterior torso"), site_name("lower_extremity"), site_name("head/neck")
        ('trunk', 'lower extremity', 'unknown')
    """
    name = " ".join(re.split(r"[\s_/-]+", text.strip().lower()))
    return _SITES.get(name, name)


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
