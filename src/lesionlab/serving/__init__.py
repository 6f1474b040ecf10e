"""A server for a trained model: the REST API and the web page."""

from lesionlab.serving.app import create_app
from lesionlab.serving.settings import Settings

__all__ = ["Settings", "create_app"]
