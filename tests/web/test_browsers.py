"""The linter of browser features: the page uses only what the supported browsers have."""

import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "web"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("node") is None or not (WEB / "node_modules/@mdn/browser-compat-data").exists(),
        reason="run `npm install` in web",
    ),
]

NEWER = """
AbortSignal.any([]);
document.querySelector("dialog")?.showPopover();
const parsed = URL.parse("https://a.example");
new Intl.DurationFormat("en");
navigator.locks.query();
[3, 1].toSorted();
"""
NEWER_STYLES = """
p { color: light-dark(#000, #fff); inset: 0; }
p:has(b) { b { color: red; } }
@scope (p) { b { margin: 0; } }
"""


def lint(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["node", str(WEB / "lint_browsers.mjs"), *arguments],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_page_works_in_the_supported_browsers() -> None:
    found = lint()
    assert (found.returncode, found.stderr) == (0, "")


def test_newer_functions_and_styles_are_found(tmp_path: Path) -> None:
    (tmp_path / "new.js").write_text(NEWER)
    (tmp_path / "new.css").write_text(NEWER_STYLES)
    found = lint(str(tmp_path))
    assert found.returncode == 1
    names = {line.split()[1] for line in found.stderr.splitlines()}
    assert names >= {
        "api.AbortSignal.any_static",
        "api.HTMLElement.showPopover",
        "api.URL.parse_static",
        "css.types.color.light-dark",
        "css.selectors.has",
        "css.selectors.nesting",
        "css.at-rules.scope",
    }
    assert not [name for name in names if "toSorted" in name or "query" in name or "inset" in name]
