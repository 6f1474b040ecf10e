"""`lesionlab serve`."""

import os
import re
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.cli.console import err, require_extra
from lesionlab.errors import UsageError

_MODULES = ("fastapi", "uvicorn", "httptools", "prometheus_client", "limits", "python_multipart")
_LOOPBACK = re.compile(r"localhost|::1|127\.\d+\.\d+\.\d+")
_KEY = re.compile(r"[\x21-\x7e]{16,256}")
_KEY_VARIABLE = "LESIONLAB_API_KEY"


class _LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


def serve(
    model: Annotated[
        Path | None, typer.Option("--model", "-m", help="Bundle to serve instead of the one in the package.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0: all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any that is free.")] = 8000,
    api_key_file: Annotated[
        Path | None,
        typer.Option(help="File with the key that callers send as X-API-Key. Or set LESIONLAB_API_KEY."),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(help="Name by which the server may be called, beside those of this machine. Repeatable."),
    ] = None,
    max_megabytes: Annotated[float, typer.Option(min=0.001, help="Largest file.")] = 20,
    max_megapixels: Annotated[float, typer.Option(min=0.001, max=100, help="Largest image.")] = 50,
    max_batch: Annotated[int, typer.Option(min=1, help="Most images of one request.")] = 64,
    queue: Annotated[int, typer.Option(min=1, help="Most images in the house; who comes then is told to wait.")] = 256,
    rate: Annotated[
        str | None, typer.Option(help="Most requests per client address, such as 60/minute.", show_default="no limit")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads that the model computes with.", show_default="one per core")
    ] = None,
    risk: Annotated[
        str | None,
        typer.Option(help="What risk levels go by: sensitivity=0.95, cost=20 or answer.", show_default="sensitivity"),
    ] = None,
    log_format: Annotated[_LogFormat, typer.Option(help="How the log on standard error looks.")] = _LogFormat.TEXT,
) -> None:
    """Serve a model: the REST API under /v1 and a page for the browser. Ctrl-C stops it."""
    require_extra("lesionlab serve", "app", *_MODULES)
    key = _api_key(api_key_file)
    from lesionlab.prediction import Predictor, RiskRule

    rule = RiskRule.parse(risk) if risk is not None else None
    with ThreadPoolExecutor(1) as aside:
        # Opening the model and importing the framework take about as long; the one is native code.
        loading = aside.submit(Predictor.load, model, threads=threads, risk=rule)
        from pydantic import SecretStr, ValidationError

        from lesionlab.serving import Settings, create_app
        from lesionlab.serving.logs import logging_to_standard_error
        from lesionlab.serving.server import bind, run
        from lesionlab.serving.settings import LOOPBACK_NAMES

        local = _LOOPBACK.fullmatch(host) is not None
        names = (*LOOPBACK_NAMES, *(allowed_host or ())) if local or allowed_host else ()
        try:
            settings = Settings(
                api_key=SecretStr(key) if key else None,
                allowed_hosts=names,
                max_bytes=round(max_megabytes * 1e6),
                max_pixels=round(max_megapixels * 1e6),
                max_batch=max_batch,
                queue=queue,
                rate=rate,
            )
        except ValidationError as error:  # the bounds of all other options are known to the command line
            raise UsageError(f"--rate {rate} is not understood; write it like 60/minute") from error
        with bind(host, port) as bound:
            predictor = loading.result()
            place = f"[{host}]" if ":" in host else host
            url = f"http://{place}:{bound.getsockname()[1]}"
            if not local and key is None:
                _say(
                    f"warning: {host} can be reached from other machines and there is no API key: whoever finds the "
                    "port may ask. Set one with --api-key-file",
                    style="yellow",
                )

            def announce() -> None:
                what = f"lesionlab {__version__} serves {predictor.info.identity} at {url}"
                _say(f"{what} (Ctrl-C stops it). {RESEARCH_ONLY}")

            with logging_to_standard_error(as_json=log_format is _LogFormat.JSON):
                run(create_app(predictor, settings), bound, announce)


def _say(text: str, style: str | None = None) -> None:
    err.print(text, style=style, markup=False, soft_wrap=True)


def _api_key(path: Path | None) -> str | None:
    try:
        key = path.read_text("utf-8").strip() if path else os.environ.get(_KEY_VARIABLE, "").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--api-key-file {path} cannot be read: {error}") from error
    if path is None and not key:
        return None
    if not _KEY.fullmatch(key):
        where = path or _KEY_VARIABLE
        raise UsageError(
            f"{where}: an API key has 16 to 256 visible ASCII characters; `openssl rand -hex 32` makes a good one"
        )
    return key
