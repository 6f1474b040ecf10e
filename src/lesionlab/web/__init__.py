"""The web page: its files, and a static build of it that runs a model in the browser, without a server."""

from lesionlab.web.build import WebBuild, build_web

__all__ = ["WebBuild", "build_web"]
