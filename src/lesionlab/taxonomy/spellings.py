"""How the public datasets spell the diagnoses: the codes of `lesionlab.taxonomy` for their labels."""

import functools
import re

from lesionlab.taxonomy.diagnoses import LABELS, label_name

# Spellings beside the codes and names, in any case and number. Those with a qualifier ("Nevus, Spitz", "blue nevus",
# "Basal cell carcinoma, Nodular") are found without it, see `_QUALIFIERS`.
_ALIASES = {
    "mel": """melanoma in situ; melanoma invasive; melanoma metastasis; malignant melanoma; lentigo maligna;
        lentigo maligna melanoma; malignant melanocytic proliferations (melanoma)""",
    "nv": "nev; nevus; mole; reed or spitz nevus; nevus spilus",
    "bcc": "basal cell carcinoma invasive",
    "akiec": """ak; ack; actinic keratosis; solar keratosis; solar or actinic keratosis; bowen; bowen disease;
        intraepithelial carcinoma; squamous cell carcinoma in situ""",
    "bkl": """sek; sk; benign keratosis; seborrheic keratosis; seborrhoeic keratosis; solar lentigo;
        lichenoid keratosis; pigmented benign keratosis; lichen planus like keratosis; ink spot lentigo;
        clear cell acanthoma""",
    "df": "fibrous histiocytoma",
    "vasc": """vascular; vascular skin lesion; angioma; hemangioma; haemangioma; angiokeratoma; pyogenic granuloma;
        hemorrhage; haemorrhage; venous lake; lymphangioma; benign soft tissue proliferations - vascular""",
    "scc": """sccka; squamous cell carcinoma; squamous cell carcinoma invasive; keratoacanthoma;
        squamous cell carcinoma and keratoacanthoma""",
    "mal_oth": """malignant - other; merkel cell carcinoma; kaposi sarcoma; sebaceous carcinoma; mycosis fungoides;
        atypical fibroxanthoma; dermatofibrosarcoma protuberans; collision - at least one malignant proliferation""",
    "ben_oth": """benign - other; lentigo; lentigo simplex; lentigo nos; ephelis; scar; melanosis; mucosal melanosis;
        cafe au lait macule; cafe au lait macule or patch; mucosal melanotic macule; acrochordon; fibroepithelial polyp;
        sebaceous hyperplasia; neurofibroma; angiofibroma; angiofibroma or fibrous papule; nevus sebaceus;
        epidermal nevus; trichoblastoma; mastocytosis; juvenile xanthogranuloma; supernumerary nipple; exogenous;
        collision - only benign proliferations; benign soft tissue proliferations - fibro-histiocytic""",
    "inf": """inflammatory; infectious; inflammatory or infectious; inflammatory or infectious condition; molluscum;
        verruca; porokeratosis""",
    "unk": """unknown; undetermined; indeterminate; none of the others; none of the above; misc; miscellaneous; aimp;
        atypical melanocytic proliferation; atypical melanocytic neoplasm; atypical spitz tumor;
        atypical intraepithelial melanocytic proliferation""",
    "other": "non melanoma; nonmelanoma; no melanoma",
}

# Words that do not change the class of a diagnosis. Only these: "melanoma, suspected" is no diagnosis.
_QUALIFIERS = """less than 0 76 mm; 0 76 to 1 5 mm; more than 1 5 mm; associated with a nevus; blue nevus like;
    arising in a congenital nevus; pigmented spindle cell nevus like; recurrent or persistent; lentigo maligna type;
    on chronically sun exposed skin or lentigo maligna melanoma; atypical dysplastic or clark; bap 1 deficient;
    acral or acral lentiginous; sclerosing or morpheaform; of special anatomic site; balloon cell; deep penetrating;
    well differentiated; moderately differentiated; poorly differentiated; keratoacanthoma type; superficial spreading;
    acantholytic; acral; agminated; aneurysmal; atrophic; atypical; benign; blue; bowenoid; cellular; cherry; clark;
    clonal; combined; common; compound; congenital; dermal; desmoplastic; dysplastic; halo; hemosiderotic; hypertrophic;
    infantile; infiltrating; intradermal; junctional; lentiginous; lichenoid; meyerson; micronodular; mucosal; nevoid;
    nodular; nos; pigmented; recurrent; reed; spilus; spitz; spitzoid; superficial"""

_IRREGULAR = {
    "nevi": "nevus",
    "naevi": "nevus",
    "naevus": "nevus",
    "bowens": "bowen",
    "nos": "nos",
    "lentigines": "lentigo",
}


@functools.lru_cache(maxsize=4096)
def parse_diagnosis(text: str) -> str | None:
    """Return the code for a diagnosis as people spell it, or None where it is none of `lesionlab.taxonomy.LABELS`.

    Example:
        >>> parse_diagnosis("MEL"), parse_diagnosis("Nevus, NOS, Compound"), parse_diagnosis("wart")
        ('mel', 'nv', None)
    """
    if "?" in text:
        return None
    if code := _parse(text):
        return code
    # "Melanocytic nevi (nv)", "angiomas, angiokeratomas and hemorrhage": several names of one class.
    parts = [part for part in re.split(r"[()/:;,|]| - |\band\b|\bor\b", text.lower()) if part.strip()]
    codes = {_parse(part) for part in parts}
    return codes.pop() if len(codes) == 1 else None


def _parse(text: str) -> str | None:
    words = _normalized(text)
    return _SPELLINGS.get(words) or _SPELLINGS.get(" ".join(_QUALIFIER.sub(" ", words).split()))


def _normalized(text: str) -> str:
    """Return a spelling in lower case and in the singular, without punctuation."""
    plain = re.sub(r"(?<=n)['\u2019]s\b", "", text.lower())  # Bowen's
    return " ".join(map(_singular, re.findall(r"[^\W_]+", plain)))


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("oses"):  # keratoses
        return f"{word[:-2]}is"
    return word[:-1] if word.endswith("s") and not word.endswith(("us", "is", "ss")) else word


_QUALIFIER = re.compile(r"\b(?:" + "|".join(_normalized(words) for words in _QUALIFIERS.split(";")) + r")\b")
_SPELLINGS = {_normalized(text): code for code, texts in _ALIASES.items() for text in texts.split(";")}
_SPELLINGS |= {_normalized(text): label for label in LABELS for text in (label, label_name(label))}
