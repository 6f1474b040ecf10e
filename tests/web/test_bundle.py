import re
from pathlib import Path

import pytest

from lesionlab.web.bundle import ENTRIES, PAGE, joined_modules, page_files


def write(folder: Path, **modules: str) -> Path:
    for name, source in modules.items():
        (folder / f"{name}.js").write_text(source)
    return folder


def test_modules_are_joined_in_the_order_of_their_imports(tmp_path: Path) -> None:
    write(
        tmp_path,
        main='import { double as twice } from "./helper.js";\n\nexport const result = twice(21);\n',
        helper="/** Doubles. */\nexport function double(value) {\n  return 2 * value;\n}\n",
    )
    joined = joined_modules(tmp_path, "main.js")
    assert joined.index("$helper_js =") < joined.index("$main_js =")
    assert "const { double: twice } = $helper_js;" in joined
    assert "return { result };" in joined
    assert "Doubles" not in joined
    assert not re.search(r"^(import|export) ", joined, re.MULTILINE)


def test_addresses_stay_relative_to_the_module(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "main.js").write_text('import { url } from "./b/c.js";\n\nconsole.log(url);\n')
    (tmp_path / "a" / "b" / "c.js").write_text('export const url = new URL("../icon.svg", import.meta.url);\n')
    joined = joined_modules(tmp_path, "a/main.js")
    assert 'const $root = new URL("../", import.meta.url);' in joined
    assert 'new URL("../icon.svg", new URL("a/b/c.js", $root))' in joined


def test_compiled_libraries_are_imported_unchanged(tmp_path: Path) -> None:
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "main.js").write_text('import { h } from "../vendor/library.js";\n\nh();\n')
    joined = joined_modules(tmp_path, "page/main.js")
    assert joined.startswith('import * as $vendor_library_js from "../vendor/library.js";\n')
    assert "const { h } = $vendor_library_js;" in joined


@pytest.mark.parametrize(
    "source",
    ['import x from "./b.js";\n', "export default 3;\n", 'export { a } from "./b.js";\n', "export let n = 1;\n"],
)
def test_another_form_of_import_or_export_is_named(tmp_path: Path, source: str) -> None:
    write(tmp_path, main=source, b="export const a = 1;\n")
    with pytest.raises(ValueError, match=r"main\.js: .* cannot be joined"):
        joined_modules(tmp_path, "main.js")


def test_modules_that_import_each_other_are_named(tmp_path: Path) -> None:
    write(tmp_path, a='import { b } from "./b.js";\n', b='import { a } from "./a.js";\n')
    with pytest.raises(ValueError, match=r"a\.js imports b\.js imports a\.js"):
        joined_modules(tmp_path, "a.js")


def test_all_entries_of_the_page_can_be_joined() -> None:
    for entry in ENTRIES:
        joined = joined_modules(PAGE, entry)
        assert set(re.findall(r'^import .* from "(.*)";', joined, re.MULTILINE)) <= {
            "../vendor/htm-preact.js",
            "../vendor/onnxruntime-web.js",
        }


def test_the_index_loads_one_script_and_one_style_sheet() -> None:
    files = page_files(("server/main.js",), "index.html")
    index = files["index.html"].decode()
    assert re.findall(r'<script [^>]*src="assets/([^"]+)\?v=[0-9a-f]{16}"', index) == ["server/main.js"]
    assert re.findall(r'rel="stylesheet" href="assets/([^"]+)\?v=[0-9a-f]{16}"', index) == ["page.css"]
    assert b".report" in files["page.css"]
