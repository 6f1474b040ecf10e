"""ASGI middleware, from the outermost to the innermost."""

from lesionlab.serving.middleware.access import AllowedHosts, ApiKey, CrossSite, RateLimit
from lesionlab.serving.middleware.access_log import AccessLog
from lesionlab.serving.middleware.errors import ServerErrors
from lesionlab.serving.middleware.headers import SecurityHeaders
from lesionlab.serving.middleware.root_path import RootPath

__all__ = [
    "AccessLog",
    "AllowedHosts",
    "ApiKey",
    "CrossSite",
    "RateLimit",
    "RootPath",
    "SecurityHeaders",
    "ServerErrors",
]
