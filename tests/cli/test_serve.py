"""`lesionlab serve`: startup messages, settings and errors."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from lesionlab import RESEARCH_ONLY
from lesionlab.prediction import Predictor
from lesionlab.serving import Settings

Cli = Callable[..., Any]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """Replace the server; return the settings that it would have used."""
    seen: list[Settings] = []

    def run(
        app: FastAPI,
        bound: socket.socket,
        announce: Callable[[], None],
        load: Callable[[], Predictor],
        changed: Callable[[], bool] | None,
    ) -> None:
        assert load().info.identity == app.state.service.predictor.info.identity
        seen.append(app.state.service.settings)
        announce()
        bound.close()

    monkeypatch.setattr("lesionlab.serving.server.run", run)
    monkeypatch.delenv("LESIONLAB_API_KEY", raising=False)
    return seen


def test_startup_message_names_model_and_address(cli: Cli, served: list[Settings], tiny_bundle: Path) -> None:
    done = cli("serve", "--model", tiny_bundle, "--port", 0)
    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("lesionlab 0.1.0 serves tiny@")
    assert "http://127.0.0.1:" in done.err
    assert RESEARCH_ONLY in done.err
    assert "warning" not in done.err
    assert served[0].api_key is None
    assert served[0].allowed_hosts == ("localhost", "127.0.0.1", "[::1]")


def test_options_become_settings(cli: Cli, served: list[Settings], tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k" * 32 + "\n")
    limits = ["--max-megabytes", 1.5, "--max-megapixels", 2, "--max-batch", 3, "--queue", 4, "--rate", "5/minute"]
    names = ["--allowed-host", "skin.example", "--api-key-file", tmp_path / "key", "--threads", 1]
    assert cli("serve", "--model", tiny_bundle, "--port", 0, *limits, *names).code == 0
    settings = served[0]
    assert (settings.max_bytes, settings.max_pixels, settings.max_batch) == (1_500_000, 2_000_000, 3)
    assert (settings.queue, settings.rate) == (4, "5/minute")
    assert settings.allowed_hosts[-1] == "skin.example"
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "k" * 32
    assert "k" * 32 not in repr(settings)


def test_reachable_address_needs_a_key(
    cli: Cli, served: list[Settings], tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["serve", "--model", tiny_bundle, "--port", 0, "--host", "0.0.0.0"]  # noqa: S104 - the tested case
    rejected = cli(*options)
    assert (rejected.code, served) == (2, [])
    assert rejected.err.startswith("error: --host 0.0.0.0 is reachable from other machines and needs an API key")
    assert len(rejected.err.splitlines()) == 1
    monkeypatch.setenv("LESIONLAB_API_KEY", "0123456789abcdef")
    assert cli(*options).code == 0
    assert served[0].allowed_hosts == ()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--rate", "often"], 2, "error: --rate often: write it like 60/minute"),
        (["--cors-origin", "skin.example"], 2, "error: --cors-origin skin.example: write it like https://skin.example"),
        (["--trusted-proxy", "proxy"], 2, "error: --trusted-proxy proxy: write it like 10.0.0.7"),
        (["--root-path", "lesionlab"], 2, "error: --root-path lesionlab: write it like /lesionlab"),
        (["--api-key-file", "nowhere"], 2, "error: --api-key-file nowhere cannot be read"),
        (["--model", "nowhere"], 2, "error: --model nowhere: there is no such file or folder"),
        (["--channel", "skin@production"], 2, "error: --channel and --model name two models; use one of them"),
        (["--host", "no.such.host.invalid"], 1, "error: no.such.host.invalid is not an address of this machine"),
        (["--host", "192.0.2.1"], 1, "error: cannot listen on 192.0.2.1"),
    ],
)
def test_error_is_one_line(
    cli: Cli,
    served: list[Settings],
    tiny_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.setenv("LESIONLAB_API_KEY", "0123456789abcdef")
    done = cli("serve", "--model", tiny_bundle, "--port", 0, *options)
    assert done.code == code
    assert done.err.startswith(message)
    assert len(done.err.splitlines()) == 1
    assert served == []


@pytest.mark.parametrize("key", ["short", "with a space in it all", "umlaut-äöü-äöü-äöü", "x" * 257])
def test_key_must_fit_into_a_header(
    cli: Cli, served: list[Settings], tiny_bundle: Path, tmp_path: Path, key: str
) -> None:
    (tmp_path / "key").write_text(key)
    done = cli("serve", "--model", tiny_bundle, "--api-key-file", tmp_path / "key")
    assert done.code == 2
    assert "16 to 256 visible ASCII characters" in done.err
    assert key not in done.err
    (tmp_path / "key").write_text("")
    assert cli("serve", "--model", tiny_bundle, "--api-key-file", tmp_path / "key").code == 2
    assert served == []


def test_port_in_use_is_one_line(cli: Cli, served: list[Settings], tiny_bundle: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = cli("serve", "--model", tiny_bundle, "--port", port)
    assert done.code == 1
    assert done.err.startswith(f"error: cannot listen on 127.0.0.1, port {port}: Address already in use")
    assert len(done.err.splitlines()) == 1
    assert served == []


def test_missing_extra_is_named(cli: Cli, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    done = cli("serve", "--model", tiny_bundle)
    assert done.code == 1
    assert (
        done.err
        == "error: lesionlab serve needs the package fastapi of the extra 'app': pip install 'lesionlab[app]'\n"
    )
