"""The page and a model as a folder of files: whoever opens it judges images in the browser, without a server."""

from lesionlab.site.write import Site, write_site

__all__ = ["Site", "write_site"]
