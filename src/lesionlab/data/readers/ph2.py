"""The table of PH2, `PH2_dataset.txt`: cells between double bars, diagnoses as numbers."""

from pathlib import Path

from lesionlab.data.readers.table import Table
from lesionlab.errors import DataError

_DIAGNOSES = {"0": "Common nevus", "1": "Atypical nevus", "2": "Melanoma"}


def read_ph2(path: Path) -> Table:
    """Read name and clinical diagnosis of each image.

    The column of the histological diagnosis is empty for most images, so it is the method of confirmation that it
    states: `histo` where it is not.

    Raises:
        DataError: The file cannot be read or is not this table.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        cells = [cell.strip() for cell in line.split("||")]
        if len(cells) > 3 and cells[1] and cells[1].lower() != "name":
            confirmed = "histo" if cells[2] else ""
            rows.append((number, (cells[1], _DIAGNOSES.get(cells[3], cells[3]), confirmed)))
    if not rows:
        raise DataError(f"{path}: not the table of PH2; expected lines such as || IMD003 ||  || 0 || ...")
    return Table(path, ("image_id", "diagnosis", "dx_type"), tuple(rows))
