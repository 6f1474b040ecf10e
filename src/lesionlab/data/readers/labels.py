"""The diagnosis of a table's row: from a column of text, one column per class, or a column of benign or malignant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lesionlab.taxonomy import COARSE, LABELS, TASKS, label_name, parse_diagnosis

# Columns of 0 and 1, or of words: the labels that 0 and 1 stand for.
BINARY_COLUMNS: dict[str, tuple[str, str]] = {
    "melanoma": ("other", "mel"),
    "malignant": ("benign", "malignant"),
    "is_malignant": ("benign", "malignant"),
    "benign_malignant": ("benign", "malignant"),
    "target": ("benign", "malignant"),  # ISIC 2020 and 2024
}
_TEXT_COLUMNS = ("diagnosis", "dx", "diagnostic", "label")
# The ISIC archive and ISIC 2024, the most specific level first. The first two levels are groups of diagnoses.
_LEVELS = tuple(f"{name}_{level}" for level in (5, 4, 3, 2, 1) for name in ("diagnosis", "iddx"))
_GROUPS = frozenset(("diagnosis_2", "iddx_2", "diagnosis_1", "iddx_1"))
# ISIC 2017: an image that is neither is a nevus.
_ISIC_2017 = frozenset(("melanoma", "seborrheic_keratosis"))

_YES = frozenset(("1", "1.0", "1,0", "true", "yes", "x"))
_NO = frozenset(("0", "0.0", "0,0", "false", "no", ""))
_EMPTY = frozenset(("", "na", "n/a", "nan", "none", "null"))


@dataclass(frozen=True, slots=True)
class Label:
    """The diagnosis of a row.

    Attributes:
        code: One of `lesionlab.taxonomy.LABELS`; None if the row does not state one.
        text: The diagnosis as stated, where it says more than the code; without a code, the unknown spelling.
        problem: Why there is no code, or which statements of the row contradict each other.
        unknown: Whether the spelling is not known, so that the code is that of another benign or malignant lesion.
    """

    code: str | None
    text: str | None = None
    problem: str | None = None
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class LabelColumns:
    """The columns of a table that state the diagnosis.

    Attributes:
        text: Columns of text, the most specific first.
        binary: Columns of `BINARY_COLUMNS`.
        one_hot: Code by column, for one column per class.
        otherwise: The code of a row with 0 in all of these; None if such a row is an error.
    """

    text: tuple[str, ...] = ()
    binary: tuple[str, ...] = ()
    one_hot: Mapping[str, str] | None = None
    otherwise: str | None = None

    @classmethod
    def find(cls, header: Sequence[str], given: str | None = None) -> "LabelColumns | None":
        """Return the columns among those of a header; None if there is none.

        Args:
            header: The table's column names.
            given: The column to read, where the user names it.
        """
        if given is not None:
            return cls(binary=(given,)) if given.lower() in BINARY_COLUMNS else cls(text=(given,))
        by_name = {name.lower(): name for name in reversed(header)}
        binary = tuple(by_name[name] for name in BINARY_COLUMNS if name in by_name)
        single = next((by_name[name] for name in _TEXT_COLUMNS if name in by_name), None)
        if single is not None:
            return cls(text=(single,), binary=binary)
        levels = tuple(by_name[name] for name in _LEVELS if name in by_name)
        if levels:
            return cls(text=levels, binary=binary)
        one_hot = {name: code for name in header if (code := parse_diagnosis(name)) and code not in COARSE}
        if len(one_hot) > 1:
            return cls(one_hot=one_hot, otherwise="nv" if {name.lower() for name in one_hot} == _ISIC_2017 else None)
        return cls(binary=binary) if binary else None

    def read(self, row: Mapping[str, str]) -> Label:
        """Return the diagnosis of a row, its cells by column."""
        return self._read_classes(row, self.one_hot) if self.one_hot else self._read_text(row)

    def _read_classes(self, row: Mapping[str, str], one_hot: Mapping[str, str]) -> Label:
        hot = [column for column in one_hot if row[column].lower() in _YES]
        cold = [column for column in one_hot if row[column].lower() in _NO]
        if len(hot) == 1 and len(cold) == len(one_hot) - 1:
            return Label(one_hot[hot[0]], _text(hot[0], one_hot[hot[0]]))
        if not hot and len(cold) == len(one_hot) and self.otherwise:
            return Label(self.otherwise)
        return Label(None, problem=f"not exactly one 1 in the columns {', '.join(one_hot)}")

    def _read_text(self, row: Mapping[str, str]) -> Label:
        stated = [(column, row[column]) for column in self.text if row[column].lower() not in _EMPTY]
        codes = [parse_diagnosis(text) for _, text in stated]
        text = stated[0][1] if stated else None
        side = self._side(row, codes)
        code = next((code for code in codes if code is not None and code != "unk" and code not in COARSE), None)
        if code is not None:
            return Label(code, _text(text, code), _contradiction(code, side))
        if side is not None:
            # A diagnosis without a class of its own is another benign or malignant one.
            named = any(
                found is None and column.lower() not in _GROUPS
                for (column, _), found in zip(stated, codes, strict=True)
            )
            code = {"malignant": "mal_oth", "benign": "ben_oth"}.get(side, side) if named else side
            return Label(code, _text(text, side), unknown=named)
        if "unk" in codes:
            return Label("unk", _text(text, "unk"))
        stated_text = text or next((row[column] for column in self.binary), "")
        return Label(None, text, f"{stated_text!r} is none of {', '.join(LABELS)}")

    def _side(self, row: Mapping[str, str], codes: Sequence[str | None]) -> str | None:
        """Return what the row says about malignancy or melanoma."""
        for column in self.binary:
            value, classes = row[column].lower(), BINARY_COLUMNS[column.lower()]
            side = classes[1] if value in _YES else classes[0] if value in _NO - {""} else parse_diagnosis(value)
            if side in classes:
                return side
        return next((code for code in codes if code in COARSE), None)


def _text(text: str | None, code: str) -> str | None:
    """Return a label's text unless it only repeats the code."""
    return None if text is None or text.lower() in (code, label_name(code).lower(), "unknown") else text


def _contradiction(code: str, side: str | None) -> str | None:
    # Actinic keratosis is a precancer: datasets differ in its malignancy.
    if side not in ("benign", "malignant") or code == "akiec":
        return None
    task = TASKS["malignant"]
    if task.classes[task.index(code)] == side:
        return None
    return f"{label_name(code)}, but stated as {side}"
