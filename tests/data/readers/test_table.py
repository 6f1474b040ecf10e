"""Reading a table."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.data.readers.table import read_table
from lesionlab.errors import DataError


@pytest.mark.parametrize(
    "body",
    [
        'a,"nv\nb,mel\nc",nv\nd,nv\n',  # closed two lines further down
        'a,"nv\nb,mel\nc,"nv\nd,nv\n',  # text after the second quotation mark
        'a,"nv\nb,mel\nc,nv\n',  # never closed
        'a,"nv\r\nb,mel\r\nc",nv\r\n',
    ],
)
def test_quotation_mark_that_swallows_rows_is_an_error_with_its_line(tmp_path: Path, body: str) -> None:
    table = tmp_path / "table.csv"
    table.write_text(f"image,dx\nz,nv\n{body}", encoding="utf-8", newline="")
    with pytest.raises(DataError, match=r"table\.csv line 3: a quotation mark is not closed"):
        read_table(table)


_CELLS = st.text("abö,;\t\"'", max_size=5).map(lambda text: f"x{text}x")


@given(
    rows=st.lists(st.tuples(_CELLS, _CELLS), min_size=1, max_size=4),
    separator=st.sampled_from(",;\t"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_quoted_cells_are_read_as_they_are(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str]],
    separator: str,
    encoding: str,
    line_end: str,
) -> None:
    lines = [("image", "dx"), *rows]
    quoted = [separator.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in lines]
    table = tmp_path_factory.getbasetemp() / "quoted.csv"
    table.write_bytes(line_end.join(quoted).encode(encoding))
    assert read_table(table).rows == tuple(enumerate(rows, 2))
