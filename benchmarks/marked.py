"""The part of a document that a benchmark writes: between two comments that carry its name."""

from pathlib import Path

from lesionlab.files import write_text


def write_between(document: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->`.

    Raises:
        ValueError: The document has no such comments.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, rest = document.read_text(encoding="utf-8").split(begin)
    _, after = rest.split(end)
    write_text(document, f"{before}{begin}\n{text}\n{end}{after}")
