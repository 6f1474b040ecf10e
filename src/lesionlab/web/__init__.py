"""The page and a model as a folder of files: whoever opens it judges images in the browser, without a server."""

from lesionlab.web.build import WebBuild, build_web

__all__ = ["WebBuild", "build_web"]
