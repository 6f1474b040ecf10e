"""What a server may be told: limits, the key, and the names by which it may be called."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from lesionlab.images.decode import MAX_PIXELS

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")


class Settings(BaseModel):
    """Settings of one server.

    Attributes:
        api_key: What a caller has to send as `X-API-Key`; None: anyone may ask.
        allowed_hosts: Names that the header `Host` may give, without port; empty: any. A page of a stranger can make
            a browser call this machine by a name of the stranger's (DNS rebinding), but not by one of these.
        max_bytes: Largest file.
        max_pixels: Largest image, width times height.
        max_batch: Most images of one request.
        queue: Most images in the house: being read, decoded, waiting or judged.
        rate: Requests per client address, such as `60/minute`; None: as many as they like.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_key: SecretStr | None = None
    allowed_hosts: tuple[str, ...] = ()
    max_bytes: int = Field(default=20_000_000, ge=1_000)
    max_pixels: int = Field(default=50_000_000, ge=64, le=MAX_PIXELS)
    max_batch: int = Field(default=64, ge=1)
    queue: int = Field(default=256, ge=1)
    rate: str | None = None

    @field_validator("rate")
    @classmethod
    def _rate_is_understood(cls, rate: str | None) -> str | None:
        if rate is not None:
            import limits

            limits.parse(rate)
        return rate

    @property
    def max_batch_bytes(self) -> int:
        """Largest request with several images."""
        return min(4, self.max_batch) * self.max_bytes

    @property
    def max_bytes_in_house(self) -> int:
        """Bytes of files that wait or are decoded at a time, whatever their number: memory has to stay flat."""
        return max(10 * self.max_bytes, self.max_batch_bytes)
