"""Sphinx configuration: `sphinx-build -W docs docs/_build`. The reference pages are generated from the code."""

import sys
from pathlib import Path

from docutils.nodes import Element
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

sys.path.insert(0, str(Path(__file__).parent))

from reference_pages import describe_fields, write_reference_pages

import lesionlab

project = "lesionlab"
author = "The lesionlab authors"
version = release = lesionlab.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
# Docstrings mark code with single backticks, as Markdown does.
default_role = "code"
highlight_language = "none"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"lesionlab {release}"
html_theme_options = {"top_of_page_buttons": []}
# Plain files that a browser opens from a disk: no page needs a server or a network.
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
# Dashes alone: quotation marks in messages and help texts stay as they are typed.
smartquotes_action = "D"


def report_missing_reference(_app: Sphinx, _env: BuildEnvironment, node: Element, _content: Element) -> None:
    """Warn of a reference that a page makes; those from types in signatures may lead outside the package."""
    if not node["refdoc"].startswith("reference/api/"):
        logging.getLogger(__name__).warning("no object %s", node["reftarget"], location=node)


def setup(app: Sphinx) -> None:
    """Generate the reference pages before Sphinx reads its sources."""
    app.connect("missing-reference", report_missing_reference)
    # Before napoleon, which reads the section that is added.
    app.connect("autodoc-process-docstring", describe_fields, priority=400)
    app.connect("config-inited", lambda _app, _config: write_reference_pages(Path(__file__).parent / "reference"))
