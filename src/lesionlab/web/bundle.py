"""Joins the page's modules and style sheets into few files.

A browser runs the modules as they are, one request for each. Here each entry is joined with the modules that it
imports, when the page is served or built: there is no build step, and nothing generated is kept. Compiled libraries in
`vendor` are imported unchanged.
"""

import hashlib
import posixpath
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

PAGE: Final = Path(str(files("lesionlab") / "web" / "page"))
ENTRIES: Final = ("server/main.js", "local/main.js", "local/worker.js", "copy/worker.js", "label/main.js")
_VENDOR: Final = "vendor/"
_STYLES: Final = "page.css"

_IMPORT: Final = re.compile(r'^import \{([^}]*)\} from "(\.[^"]+)";\n', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export ((?:async )?function|class|const) (\w+)", re.MULTILINE)
_OTHER: Final = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)
_DOCUMENTATION: Final = re.compile(r"^[ \t]*/\*\*.*?\*/[ \t]*\n", re.MULTILINE | re.DOTALL)
_STYLE_LINK: Final = re.compile(r'<link rel="stylesheet" href="assets/([^"?]+)">\n')
_SCRIPT: Final = re.compile(r'(<script type="module" src="assets/)([^"?]+)(")')


def page_files(entries: tuple[str, ...], index: str) -> dict[str, bytes]:
    """Return the files of the page by path, with joined modules and styles.

    Args:
        entries: The entries among `ENTRIES` that the page loads.
        index: Path of its index, which is returned as `index.html`.

    Raises:
        ValueError: A module is written in a way that cannot be joined.
    """
    return dict(_page_files(entries, index, _newest()))


def _newest() -> int:
    """Time of the last change of a file: whoever works on the page reloads it, without a restart."""
    return max(path.stat().st_mtime_ns for path in PAGE.rglob("*"))


@cache
def _page_files(entries: tuple[str, ...], index: str, _changed: int) -> Mapping[str, bytes]:
    found = {entry: joined_modules(PAGE, entry).encode() for entry in entries}
    page = (PAGE / index).read_text("utf-8")
    found[_STYLES] = "\n".join((PAGE / name).read_text("utf-8") for name in _STYLE_LINK.findall(page)).encode()
    links = iter([f'<link rel="stylesheet" href="assets/{_versioned(_STYLES, found)}">\n'])
    page = _STYLE_LINK.sub(lambda _: next(links, ""), page)
    page = _SCRIPT.sub(lambda match: f"{match[1]}{_versioned(match[2], found)}{match[3]}", page)
    return found | {"index.html": page.encode()}


def _versioned(name: str, contents: Mapping[str, bytes]) -> str:
    """Return an address that changes with the content, so that a browser may keep the file."""
    return f"{name}?v={hashlib.sha256(contents[name]).hexdigest()[:16]}"


def joined_modules(root: Path, entry: str) -> str:
    """Return an entry and all modules that it imports as one module, at the address of the entry.

    Raises:
        ValueError: Modules import each other, or import or export in another form than
            `import { a, b as c } from "./d.js";`, `export function`, `export class` and `export const`.
    """
    order: list[str] = []
    sources: dict[str, str] = {}

    def visit(name: str, importers: tuple[str, ...]) -> None:
        if name in importers:
            raise ValueError(f"{' imports '.join((*importers, name))}: modules that import each other cannot be joined")
        if name in order:
            return
        if not name.startswith(_VENDOR):
            sources[name] = (root / name).read_text("utf-8")
            for _, path in _IMPORT.findall(sources[name]):
                visit(_resolved(name, path), (*importers, name))
        order.append(name)

    visit(entry, ())
    here = posixpath.dirname(entry)
    lines = [
        f"import * as {_variable(name)} from {_quoted(_relative(name, here))};" for name in order if name not in sources
    ]
    lines.append(f"const $root = new URL({_quoted(_relative('', here) + '/')}, import.meta.url);")
    lines += [_joined(name, sources[name]) for name in order if name in sources]
    return "\n".join(lines) + "\n"


def _joined(name: str, source: str) -> str:
    """Return a module as a function that is called at once and returns its exports."""
    exports = [found[1] for found in _EXPORT.findall(source)]

    def constant(match: re.Match[str]) -> str:
        names = re.sub(r"\s+as\s+", ": ", match[1]).strip()
        return f"const {{ {names} }} = {_variable(_resolved(name, match[2]))};\n"

    body = _EXPORT.sub(r"\1 \2", _IMPORT.sub(constant, _DOCUMENTATION.sub("", source)))
    if other := _OTHER.search(body):
        raise ValueError(f"{name}: {other[0]!r} cannot be joined; write it as in the other modules")
    body = body.replace("import.meta.url", f"new URL({_quoted(name)}, $root)")
    return f"const {_variable(name)} = (() => {{\n{body}return {{ {', '.join(exports)} }};\n}})();"


def _resolved(name: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))


def _relative(name: str, folder: str) -> str:
    path = posixpath.relpath(name or ".", folder or ".")
    return path if path.startswith(".") else f"./{path}"


def _variable(name: str) -> str:
    return "$" + re.sub(r"\W", "_", name)


def _quoted(text: str) -> str:
    return f'"{text}"'
