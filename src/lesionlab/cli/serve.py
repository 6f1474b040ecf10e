"""`lesionlab serve`."""

import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.cli.console import note, require_extra
from lesionlab.cli.options import Model, RiskOption, Threads, ThresholdOption
from lesionlab.cpu import available_cores
from lesionlab.errors import UsageError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from lesionlab.prediction import Predictor
    from lesionlab.registry import FollowedChannel

_MODULES = ("fastapi", "uvicorn", "httptools", "prometheus_client", "limits", "python_multipart")
_LOOPBACK = re.compile(r"localhost|::1|127\.\d+\.\d+\.\d+")
_KEY = re.compile(r"[\x21-\x7e]{16,256}")
_KEY_VARIABLE = "LESIONLAB_API_KEY"
_EXAMPLES = {
    "rate": ("--rate", "60/minute"),
    "cors_origins": ("--cors-origin", "https://skin.example, without a path"),
    "trusted_proxies": ("--trusted-proxy", "10.0.0.7 or 10.0.0.0/24"),
    "root_path": ("--root-path", "/lesionlab"),
}


class _LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


def serve(
    model: Model = None,
    channel: Annotated[
        str | None,
        typer.Option(
            metavar="NAME@CHANNEL",
            help="Serve the version that a channel of a registry names, and follow the channel. In place of --model.",
            show_default=False,
        ),
    ] = None,
    registry: Annotated[
        str | None,
        typer.Option(
            envvar="LESIONLAB_REGISTRY", help="Folder or URL of the registry, for --channel.", show_default=False
        ),
    ] = None,
    follow: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="Time after which --channel is read again.")
    ] = 30,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all interfaces.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for any free port.")] = 8000,
    api_key_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the API key that clients send as X-API-Key. Or set LESIONLAB_API_KEY.", show_default=False
        ),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(help="Accepted host name besides those of this machine. Repeatable.", show_default=False),
    ] = None,
    max_megabytes: Annotated[float, typer.Option(min=0.001, help="Maximum file size.")] = 20,
    max_megapixels: Annotated[float, typer.Option(min=0.001, max=100, help="Maximum image size.")] = 50,
    max_batch: Annotated[int, typer.Option(min=1, help="Maximum images per request.")] = 64,
    queue: Annotated[int, typer.Option(min=1, help="Maximum queued images. Further requests get HTTP 503.")] = 256,
    rate: Annotated[
        str | None,
        typer.Option(help="Rate limit per client address, such as 60/minute. Default: none.", show_default=False),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Processes, each with its own model, queue and limits.")
    ] = 1,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(
            help="Origin of another page that may use the API, such as https://skin.example; * for all. Repeatable.",
            show_default=False,
        ),
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(
            help="Address or network of a reverse proxy whose X-Forwarded-For is used. Repeatable.", show_default=False
        ),
    ] = None,
    root_path: Annotated[
        str, typer.Option(help="Path below which a reverse proxy has the server, such as /lesionlab.")
    ] = "",
    threads: Threads = None,
    risk: RiskOption = None,
    threshold: ThresholdOption = None,
    log_format: Annotated[_LogFormat, typer.Option(help="Format of the log on standard error.")] = _LogFormat.TEXT,
) -> None:
    """Serve a model: a REST API under /v1 and a web page. Ctrl-C stops the server, SIGHUP loads the model again."""
    require_extra("lesionlab serve", "app", *_MODULES)
    key = _api_key(api_key_file)
    local = _LOOPBACK.fullmatch(host) is not None
    if not local and key is None:
        raise UsageError(
            f"--host {host} is reachable from other machines and needs an API key: `openssl rand -hex 32 > key`, "
            "then --api-key-file key"
        )
    from lesionlab.prediction import Predictor, RiskRule

    rule = RiskRule.of_options(risk, threshold)
    if workers > 1:
        threads = threads or max(1, available_cores() // workers)
    load_from = partial(Predictor.load, threads=threads, risk=rule)
    with ThreadPoolExecutor(1) as executor, _followed(channel, registry, model, load_from) as followed:
        load = partial(load_from, model) if followed is None else followed.load
        # Loading the model and importing the framework take about as long; the former is native code.
        loading = executor.submit(load) if workers == 1 else None
        from pydantic import SecretStr, ValidationError

        from lesionlab.serving import Settings, create_app
        from lesionlab.serving.logs import logging_to_standard_error
        from lesionlab.serving.server import bind, run
        from lesionlab.serving.settings import LOOPBACK_NAMES
        from lesionlab.serving.workers import start_workers

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
                cors_origins=tuple(cors_origin or ()),
                trusted_proxies=tuple(trusted_proxy or ()),
                root_path=root_path,
                jobs=workers == 1,  # processes do not share them
            )
        except ValidationError as error:  # all other options are validated by the command line
            raise UsageError(_invalid_option(error.errors()[0])) from error
        with bind(host, port) as bound:
            worker = start_workers(workers) if loading is None else 0
            predictor = (loading or executor.submit(load)).result()
            place = f"[{host}]" if ":" in host else host
            url = f"http://{place}:{bound.getsockname()[1]}"

            def announce() -> None:
                if worker == 0:
                    model = predictor.info.identity
                    note(f"lesionlab {__version__} serves {model} at {url} (Ctrl-C stops it). {RESEARCH_ONLY}")

            with logging_to_standard_error(as_json=log_format is _LogFormat.JSON):
                if followed is not None and worker == 0:  # the other processes notice the file
                    # Not in the event loop's threads: a shutdown does not wait for a registry that does not respond.
                    threading.Thread(target=followed.follow, args=(follow,), daemon=True).start()
                changed = None if followed is None else followed.changed
                run(create_app(predictor, settings), bound, announce, load, changed)


@contextmanager
def _followed(
    channel: str | None, url: str | None, model: Path | None, load: "Callable[[Path], Predictor]"
) -> "Iterator[FollowedChannel | None]":
    """Yield the followed channel, if there is one; its folder is removed at the end of this process."""
    if channel is None:
        yield None
        return
    if model is not None:
        raise UsageError("--channel and --model name two models; use one of them")
    if url is None:
        raise UsageError("--channel needs --registry, or the environment variable LESIONLAB_REGISTRY")
    require_extra("lesionlab serve --channel", "cloud", "fsspec")
    from lesionlab.registry.follow import FollowedChannel

    folder, owner = Path(tempfile.mkdtemp(prefix="lesionlab-")), os.getpid()
    try:
        yield FollowedChannel(url, channel, folder, load)
    finally:
        if os.getpid() == owner:  # processes that it forks share the folder
            shutil.rmtree(folder, ignore_errors=True)


def _invalid_option(fault: "ErrorDetails") -> str:
    option, example = _EXAMPLES[str(fault["loc"][0])]
    given = fault["input"]
    return f"{option} {given if isinstance(given, str) else ' '.join(given)}: write it like {example}"


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
            f"{where}: an API key has 16 to 256 visible ASCII characters; `openssl rand -hex 32` generates one"
        )
    return key
