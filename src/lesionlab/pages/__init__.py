"""Self-contained HTML pages: one layout, one style, colours for light and dark mode, and inline images."""

from lesionlab.pages.render import data_uri, page_environment, thumbnail

__all__ = ["data_uri", "page_environment", "thumbnail"]
