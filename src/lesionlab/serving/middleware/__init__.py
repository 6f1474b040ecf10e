"""What every request passes, from the outside to the inside, each one class of plain ASGI."""

from lesionlab.serving.middleware.address import KnownHost, WithinRate
from lesionlab.serving.middleware.faults import Faults
from lesionlab.serving.middleware.headers import StrictHeaders
from lesionlab.serving.middleware.key import HasKey
from lesionlab.serving.middleware.observed import Observed

__all__ = ["Faults", "HasKey", "KnownHost", "Observed", "StrictHeaders", "WithinRate"]
