"""ASGI middleware, from the outermost to the innermost."""

from lesionlab.serving.middleware.access import AllowedHosts, ApiKey, CrossSite, RateLimit
from lesionlab.serving.middleware.access_log import AccessLog
from lesionlab.serving.middleware.errors import ServerErrors
from lesionlab.serving.middleware.headers import SecurityHeaders

__all__ = ["AccessLog", "AllowedHosts", "ApiKey", "CrossSite", "RateLimit", "SecurityHeaders", "ServerErrors"]
