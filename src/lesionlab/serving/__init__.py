"""A trained model as a server: the REST API, the page, and what keeps them up."""

from lesionlab.serving.app import create_app
from lesionlab.serving.settings import Settings

__all__ = ["Settings", "create_app"]
