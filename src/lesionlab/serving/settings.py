"""Settings of a server: limits, the API key and the permitted host names."""

from ipaddress import ip_network
from typing import Final
from urllib.parse import urlsplit

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
        jobs: Whether there are jobs. Several processes do not share them.
        max_job_images: Maximum number of images in all jobs, and thereby in one.
        max_job_bytes: Maximum size of the files in jobs that wait for their prediction.
        job_seconds: Time after the last upload or the end of a job until it is deleted with its results.
        rate: Maximum number of requests per client address, such as `60/minute`; None: no limit.
        cors_origins: Origins of other pages that may use the API, such as `https://skin.example`; `*`: all.
        trusted_proxies: Addresses or networks of reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` count.
        root_path: Path below which a reverse proxy has the server, such as `/lesionlab`.
    """

    api_key: SecretStr | None = None
    allowed_hosts: tuple[str, ...] = ()
    max_bytes: int = Field(default=20_000_000, ge=1_000)
    max_pixels: int = Field(default=50_000_000, ge=64, le=MAX_PIXELS)
    max_batch: int = Field(default=64, ge=1)
    queue: int = Field(default=256, ge=1)
    jobs: bool = True
    max_job_images: int = Field(default=20_000, ge=1)
    max_job_bytes: int = Field(default=500_000_000, ge=1_000)
    job_seconds: float = Field(default=3600, gt=0)
    rate: str | None = None
    cors_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    root_path: str = Field(default="", pattern=r"^(/[\w.~-]+)*$")

    @field_validator("cors_origins")
    @classmethod
    def _origins_are_complete(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            parts = urlsplit(origin)
            complete = parts.scheme in ("http", "https") and origin == f"{parts.scheme}://{parts.netloc}"
            if origin != "*" and not complete:
                raise ValueError(f"{origin} is no origin; write it like https://skin.example, without a path")
        return origins

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_addresses(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            ip_network(proxy)
        return proxies

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
