"""Settings of a server: limits, the API key and the permitted host names."""

from typing import Final

from pydantic import Field, SecretStr, field_validator

from lesionlab.base_models import StrictModel
from lesionlab.images.bounds import MAX_PIXELS

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")


class Settings(StrictModel):
    """Settings of one server.

    Attributes:
        api_key: Value that clients send as `X-API-Key`; None: no key is needed.
        allowed_hosts: Permitted values of the `Host` header, without port; empty: any. They protect against DNS
            rebinding, by which a foreign web page makes a browser send requests to this machine.
        max_bytes: Maximum size of a file.
        max_pixels: Maximum width times height of an image.
        max_batch: Maximum number of images in a request.
        queue: Maximum number of images in the server: being read, decoded, queued or predicted.
        rate: Maximum number of requests per client address, such as `60/minute`; None: no limit.
    """

    api_key: SecretStr | None = None
    allowed_hosts: tuple[str, ...] = ()
    max_bytes: int = Field(default=20_000_000, ge=1_000)
    max_pixels: int = Field(default=50_000_000, ge=64, le=MAX_PIXELS)
    max_batch: int = Field(default=64, ge=1)
    queue: int = Field(default=256, ge=1)
    rate: str | None = None

    @field_validator("rate")
    @classmethod
    def _rate_can_be_parsed(cls, rate: str | None) -> str | None:
        if rate is not None:
            import limits

            limits.parse(rate)
        return rate

    @property
    def max_batch_bytes(self) -> int:
        """Maximum size of a request with several images."""
        return min(4, self.max_batch) * self.max_bytes

    @property
    def max_queued_bytes(self) -> int:
        """Maximum size of all files in the server, whatever their number, to bound its memory."""
        return max(10 * self.max_bytes, self.max_batch_bytes)
