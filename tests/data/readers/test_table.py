"""Reading a table."""

import sys
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lesionlab.data.readers.table import read_table
from lesionlab.errors import DataError, MissingExtraError


@pytest.mark.parametrize(
    "body",
    [
        'a,"nv\nb,mel\nc",nv\nd,nv\n',  # closed two lines further down
        'a,"nv\nb,mel\nc,"nv\nd,nv\n',  # text after the second quotation mark
        'a,"nv\nb,mel\nc,nv\n',  # never closed
        'a,"nv\r\nb,mel\r\nc",nv\r\n',
        'a,"nv\nb,mel"\nc,nv\n',  # the row keeps its number of cells
        '"a,nv\nb",mel\nc,nv\n',
        '"a,""nv""\nb",mel\n',
    ],
)
def test_quotation_mark_that_swallows_rows_is_an_error_with_its_line(tmp_path: Path, body: str) -> None:
    table = tmp_path / "table.csv"
    table.write_text(f"image,dx\nz,nv\n{body}", encoding="utf-8", newline="")
    with pytest.raises(DataError, match=r"table\.csv line 3: a quotation mark is not closed"):
        read_table(table)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_line_breaks_in_cells_are_read(tmp_path: Path, separator: str, line_end: str) -> None:
    rows = [
        ("image", "dx", "comment", "age"),
        ("a", "nv", f'"seen twice{separator} then\nexcised\n\nsays ""scar"""', "50"),
        ("b", "mel", '"2\n3"', "60"),
        ("c", "nv", "", "70"),
    ]
    text = line_end.join(separator.join(row) for row in rows)
    (tmp_path / "t.csv").write_text(text, encoding="utf-8", newline="")
    assert read_table(tmp_path / "t.csv").rows == (
        (2, ("a", "nv", f'seen twice{separator} then excised  says "scar"', "50")),
        (6, ("b", "mel", "2 3", "60")),
        (8, ("c", "nv", "", "70")),
    )


_ROWS = st.lists(st.tuples(*[st.text("ab ", max_size=3).map(lambda text: f"x{text}")] * 4), min_size=3, max_size=6)


@given(rows=_ROWS, data=st.data())
def test_stray_quotation_marks_swallow_no_row(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], data: st.DataObject
) -> None:
    lines = [",".join(row) for row in [("image", "dx", "age", "note"), *rows]]
    for number in data.draw(st.lists(st.integers(1, len(rows)), min_size=1, max_size=2, unique=True)):
        place = data.draw(st.integers(0, len(lines[number])))
        lines[number] = f'{lines[number][:place]}"{lines[number][place:]}'
    table = tmp_path_factory.getbasetemp() / "stray.csv"
    table.write_text("\n".join(lines), encoding="utf-8")
    try:
        found = read_table(table).rows
    except DataError:
        return
    assert len(found) == len(rows)


def test_tables_in_windows_encoding_are_read_with_a_note(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_bytes("image;sex;note\r\na;weiblich;x\r\nb;männlich;Rücken, 5 €\r\n".encode("cp1252"))
    found = read_table(table)
    assert found.rows[1] == (3, ("b", "männlich", "Rücken, 5 €"))
    assert found.note == "read as Windows-1252, since line 3 is not UTF-8"
    (tmp_path / "u.csv").write_text("image;sex\na;männlich\n", encoding="utf-8")
    assert read_table(tmp_path / "u.csv").note is None


@pytest.mark.parametrize(
    "content",
    [
        "image,note\na,Rücken\n".encode() + b"b,\xff\n",  # a damaged table in UTF-8
        "image,note\na,Rücken\n".encode("utf-16-le"),
        "image,note\na,b\n".encode("utf-16-be"),
        b"image,note\na,x\nb,\x81\xfc\n",
        b"\xff\xd8\xff\xe0\0\x10JFIF",
    ],
)
def test_other_encodings_are_an_error_with_the_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"t\.csv line \d: not text in UTF-8") as caught:
        read_table(tmp_path / "t.csv")
    assert "\n" not in str(caught.value)


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


WIDE = (("image", "age", "note"), ("a", "80", "x; y"), ("b", "", "naïve"))


@pytest.mark.parametrize(
    "text",
    [
        "image,age,note\na,80,x; y\nb,,naïve\n",
        'sep=;\nimage;age;note\na;80;"x; y"\nb;;naïve\n',
        'image;age;note;;\r\na;80;"x; y";;\r\nb;;naïve;;\r\n',
        "image\tage\tnote\t\n\na\t80\tx; y\t\nb\t\tnaïve\t\n\t\t\t\n",
    ],
)
def test_tables_of_spreadsheet_programs(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8-sig", newline="")
    table = read_table(tmp_path / "t.csv")
    assert (table.header, *(cells for _line, cells in table.rows)) == WIDE


def test_a_filled_cell_beyond_the_columns_is_kept_for_the_error(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("image,age,\na,80,\nb,70,x\n")
    assert [len(cells) for _line, cells in read_table(tmp_path / "t.csv").rows] == [2, 3]


def test_line_numbers_count_the_line_of_the_separator(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('sep=;\nimage;age\na;80\nb;"70\nc;60\n')
    with pytest.raises(DataError, match=r"t\.csv line 4: a quotation mark is not closed"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("suffix", ["xlsx", "parquet", "csv"])
def test_data_frames_have_the_same_table_in_every_format(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"image": ["007", "b"], "age": [80.0, None], "seen": pd.to_datetime(["2020-02-01", None])})
    path = tmp_path / f"t.{suffix}"
    if suffix == "xlsx":
        frame.to_excel(path)
    elif suffix == "parquet":
        frame.assign(**{"Unnamed: 0": [0, 1]}).to_parquet(path)
    else:
        frame.to_csv(path)
    table = read_table(path)
    columns = {name: [cells[place] for _line, cells in table.rows] for place, name in enumerate(table.header)}
    age = {"csv": "80.0"}.get(suffix, "80")
    expected = {"Unnamed: 0": ["0", "1"], "image": ["007", "b"], "age": [age, ""], "seen": ["2020-02-01", ""]}
    assert columns == expected


def test_workbook_as_people_format_it(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (("lesion", "image"), (12, "a"), (None, "b"), (3, " c ")):
        sheet.append(row)
    sheet.merge_cells("A2:A3")
    sheet["A2"].number_format = sheet["A4"].number_format = "0000"
    book.create_sheet("empty")
    book.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path / "t.xlsx")
    assert table.header == ("lesion", "image")
    assert table.rows == ((2, ("0012", "a")), (3, ("0012", "b")), (4, ("0003", "c")))
    book["empty"].append(("x",))
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(DataError, match=r"several sheets \(Sheet, empty\); save the right one"):
        read_table(tmp_path / "t.xlsx")


@pytest.mark.parametrize(
    ("start", "message"), [(b"PK\x03\x04", "not an Excel workbook"), (b"PAR1", "the Parquet file is damaged")]
)
def test_damaged_files_are_one_line(tmp_path: Path, start: bytes, message: str) -> None:
    (tmp_path / "t").write_bytes(start + bytes(50))
    with pytest.raises(DataError, match=message) as caught:
        read_table(tmp_path / "t")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("package", "start", "extra"), [("openpyxl", b"PK\x03\x04", "excel"), ("pyarrow", b"PAR1", "parquet")]
)
def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, start: bytes, extra: str
) -> None:
    (tmp_path / "t").write_bytes(start)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=extra):
        read_table(tmp_path / "t")
