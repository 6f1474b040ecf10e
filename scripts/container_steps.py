#!/usr/bin/env python3
"""Run the steps of the Dockerfile without a container engine, then the result, under stricter limits than compose.yaml.

    sudo python3.11 scripts/container_steps.py [--out FILE]

Each stage gets an empty folder as its root. In place of the base image it has this machine's system libraries,
read-only, and a copy of its Python 3.11 without bytecode. RUN and COPY are read from the Dockerfile and run as an
unprivileged user. Then the CMD runs as the USER without capabilities, with only a loopback network, and without any
writable folder, not even /tmp. It has to become ready and healthy, to predict an image of several megabytes with the
key of the secret, to reject one without the key, and to exit with status 0 on the STOPSIGNAL.

Needs root, util-linux and, for the installation, the package index. It uses the standard library only.
"""
# ruff: noqa: S310, S603, S607, T201

import argparse
import ctypes
import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import socket
import string
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

CONTEXT = Path(__file__).resolve().parent.parent
SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/sbin", "/etc", "/dev", "/proc", "/sys")
BUILDER = 10000  # user of the RUN steps, other than the user of the result
SECRET, KEY = "run/secrets/lesionlab_api_key", "a-key-for-this-run-alone"
SERVER = "http://127.0.0.1:8000"
READY_WITHIN, GONE_WITHIN = 30.0, 30.0
# Prints the modules of the server that are compiled at each start.
UNCOMPILED = """
import json, os, sys
import lesionlab.serving.server, lesionlab.cli.serve
cached = {name: getattr(module, "__cached__", None) for name, module in sys.modules.items()}
print(json.dumps([name for name, path in cached.items() if path and not os.path.isfile(path)]))
"""
BASE_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
CLONE_NEWNET, SIOCSIFFLAGS, IFF_UP = 0x40000000, 0x8914, 0x1


@dataclass
class Stage:
    """One FROM of the Dockerfile with the instructions after it."""

    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=lambda: dict(BASE_ENVIRONMENT))
    settings: dict[str, str] = field(default_factory=lambda: {"WORKDIR": "/"})


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Yield the instructions of a Dockerfile with their arguments."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in filter(None, map(str.strip, re.sub(r"\\\n\s*", " ", lines).splitlines())):
        name, _, argument = line.partition(" ")
        yield name.upper(), argument.strip()


def read_stages(text: str) -> list[Stage]:
    """Return the stages of a Dockerfile; exit at an instruction that this script does not support."""
    stages: list[Stage] = []
    defaults: dict[str, str] = {}
    for name, argument in instructions(text):
        if name == "ARG" and not stages:
            key, _, defaults[key] = argument.partition("=")
        elif name == "FROM":
            image, _, alias = string.Template(argument).substitute(defaults).partition(" AS ")
            if image != "python:3.11-slim":
                raise SystemExit(f"Dockerfile: FROM {image}: only python:3.11-slim is supported")
            stages.append(Stage(alias or str(len(stages))))
        elif name == "ENV":
            for key, _, value in (pair.partition("=") for pair in shlex.split(argument)):
                stages[-1].environment[key] = string.Template(value).substitute(stages[-1].environment)
        elif name in ("RUN", "COPY", "WORKDIR"):
            stages[-1].steps.append((name, argument))
            stages[-1].settings[name] = argument
        elif name in ("USER", "STOPSIGNAL", "HEALTHCHECK", "CMD"):
            stages[-1].settings[name] = argument
        elif name not in ("ARG", "LABEL", "EXPOSE"):
            raise SystemExit(f"Dockerfile: {name} is not supported")
    return stages


def mount(source: Path, target: Path, option: str = "--bind") -> None:
    """Mount a folder of this machine in a root, read-only; a link is copied."""
    if source.is_symlink():
        target.symlink_to(os.readlink(source))
        return
    target.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", option, source, target], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", target], check=True)


def make_base(root: Path) -> None:
    """Make a root with the content of the base image: the system, and Python in /usr/local."""
    for folder in (root, root / "tmp", root / "opt"):
        folder.mkdir()
        os.chown(folder, BUILDER, BUILDER)
    subprocess.run(["mount", "--bind", root, root], check=True)  # a mount of its own can be made read-only later
    for folder in map(Path, filter(os.path.lexists, SYSTEM)):
        # Files of the network configuration are often mounts in /etc.
        mount(folder, root / folder.name, "--rbind" if folder.name == "etc" else "--bind")
    prefix, local = Path(sys.base_prefix), root.parent / f"{root.name}-local"
    for folder in (local / "bin", local / "lib"):
        folder.mkdir(parents=True)
    for name in ("python", "python3", "python3.11"):
        (local / "bin" / name).symlink_to(prefix / "bin" / "python3.11")
    # Like the base image: without bytecode and tests. The user of the RUN steps may write to it.
    library = local / "lib" / "python3.11"
    without = shutil.ignore_patterns("__pycache__", "site-packages", "test", "tests", "idle_test")
    shutil.copytree(prefix / "lib" / "python3.11", library, symlinks=True, ignore=without)
    subprocess.run(["chown", "--recursive", str(BUILDER), library], check=True)
    subprocess.run(["mount", "--bind", local, root / "usr" / "local"], check=True)
    if not prefix.is_relative_to("/usr"):
        mount(prefix, root / prefix.relative_to("/"))
    # The interpreter finds its library beside its real path.
    subprocess.run(["mount", "--bind", library, root / prefix.relative_to("/") / "lib" / "python3.11"], check=True)


def as_user(root: Path, user: str, folder: str, command: list[str]) -> list[str]:
    """Return the command that runs another one as a user in a root, without capabilities."""
    dropped = ["--reuid", user, "--regid", user, "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
    return ["chroot", str(root), "setpriv", *dropped, "sh", "-c", 'cd "$0" && exec "$@"', folder, *command]


def build(stages: list[Stage], work: Path) -> None:
    """Run the steps of all stages."""
    given = {k: v for k, v in os.environ.items() if re.match(r"(PIP|UV|SSL)_|.*_proxy$", k, re.IGNORECASE)}
    for stage in stages:
        root, folder = work / stage.name, "/"
        make_base(root)
        for name, argument in stage.steps:
            print(f"[{stage.name}] {name} {argument}", file=sys.stderr, flush=True)
            if name == "RUN":
                command = as_user(root, str(BUILDER), folder, ["sh", "-c", argument])
                subprocess.run(command, env=given | stage.environment, check=True, stdout=sys.stderr)
            elif name == "COPY":
                copy(argument, root, folder, work)
            else:
                folder = argument
                (root / folder[1:]).mkdir(parents=True, exist_ok=True)
                os.chown(root / folder[1:], BUILDER, BUILDER)


def copy(argument: str, root: Path, folder: str, work: Path) -> None:
    """Run a COPY from an earlier stage, or from the context within .dockerignore."""
    *sources, target = shlex.split(argument)
    origin, ignored = CONTEXT, shutil.ignore_patterns("__pycache__")
    if sources[0].startswith("--from="):
        origin, ignored = work / sources.pop(0).removeprefix("--from="), shutil.ignore_patterns()
    else:
        allowed = {line[1:] for line in (CONTEXT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
        if kept_out := set(sources) - allowed:
            raise SystemExit(f".dockerignore keeps {', '.join(sorted(kept_out))} out of the build")
    to = root / os.path.join(folder, target).lstrip("/")
    for source in (origin / source.lstrip("/") for source in sources):
        if source.is_dir():
            shutil.copytree(source, to, symlinks=True, ignore=ignored)
        else:
            shutil.copy(source, to)


def run(stage: Stage, work: Path) -> dict[str, object]:
    """Run the CMD of the last stage in a read-only root, and return the measurements."""
    root, settings, environment = work / stage.name, stage.settings, stage.environment
    user = settings["USER"].partition(":")[0]
    (root / SECRET).parent.mkdir(parents=True)
    (root / SECRET).write_text(KEY + "\n")  # world-readable, as compose mounts it
    subprocess.run(["mount", "-o", "remount,bind,ro", root], check=True)
    isolate_network()

    def inside(command: list[str]) -> list[str]:
        return as_user(root, user, settings["WORKDIR"], command)

    folders = ["/tmp", "/opt/lesionlab", "/etc", "/dev/shm", "/var/tmp", "/"]  # noqa: S108 - those of the root
    attempts = {folder: inside(["touch", f"{folder}/written"]) for folder in folders}
    found: dict[str, object] = {
        "installed_mib": mebibytes(root / "opt"),
        "bytecode_mib": mebibytes(root / "opt", "*.pyc"),
        "packages_mib": package_sizes(root / "opt"),
        "bill_of_materials": len(json.loads((root / "opt/lesionlab/sbom.cdx.json").read_text())["components"]),
        "modules_without_bytecode": json.loads(
            subprocess.check_output(inside(["python", "-c", UNCOMPILED]), env=environment)
        ),
        "packages": sorted(path.name for path in (root / "opt").rglob("*.dist-info")),
        "writable": [
            folder for folder, attempt in attempts.items() if subprocess.call(attempt, stderr=subprocess.DEVNULL) == 0
        ],
    }
    began = time.monotonic()
    with subprocess.Popen(inside(json.loads(settings["CMD"])), env=environment) as server:
        try:
            wait_until_ready(server)
            found["ready_seconds"] = round(time.monotonic() - began, 2)
            health = json.loads(settings["HEALTHCHECK"].partition("CMD ")[2])
            found["health"] = subprocess.run(inside(health), env=environment, check=False).returncode
            image = noise_png(1400, 1000)
            found["image_mib"] = round(len(image) / 2**20, 1)
            found["status_without_key"], _ = post(noise_png(64, 64))
            found["status"], response = post(image, key=KEY)
            found["notice"], found["classes"] = response.get("notice"), len(response["result"]["probabilities"])
            status = Path(f"/proc/{server.pid}/status").read_text()
            facts = dict(line.split(":\t", 1) for line in status.splitlines())
            found["peak_memory_mib"] = round(int(facts["VmHWM"].split()[0]) / 1024)
            found["user"] = facts["Uid"].split()[1]
            found["capabilities"] = int(facts["CapEff"], 16) | int(facts["CapBnd"], 16)
            server.send_signal(signal.Signals[settings["STOPSIGNAL"]])
            found["exit_status"] = server.wait(GONE_WITHIN)
        finally:
            server.kill()
    return found


def isolate_network() -> None:
    """Move this process to a network with 127.0.0.1 only."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise SystemExit(f"cannot create a network namespace: {os.strerror(ctypes.get_errno())}")
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))


def wait_until_ready(server: subprocess.Popen[bytes]) -> None:
    """Wait until /readyz returns 200."""
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urlopen(f"{SERVER}/readyz", timeout=5):
                return
        except URLError:
            time.sleep(0.02)
    raise SystemExit(f"the server is not ready (exit status {server.poll()})")


def post(image: bytes, key: str | None = None) -> tuple[int, Any]:
    """Request a prediction; return the status and the body."""
    headers = {"Content-Type": "image/png"} | ({"X-API-Key": key} if key else {})
    try:
        with urlopen(Request(f"{SERVER}/v1/predict", image, headers), timeout=30) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        return error.code, json.load(error)


def noise_png(width: int, height: int) -> bytes:
    """Return an incompressible PNG, larger than the memory buffer of form parsers."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + os.urandom(3 * width) for _ in range(height))
    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def mebibytes(folder: Path, pattern: str = "*") -> float:
    """Return the size of the files below a folder."""
    files = (path for path in folder.rglob(pattern) if path.is_file() and not path.is_symlink())
    return round(sum(path.stat().st_size for path in files) / 2**20, 1)


def package_sizes(folder: Path) -> dict[str, float]:
    """Return the sizes of the largest packages, and that of all others together."""
    (packages,) = folder.rglob("site-packages")
    sizes = {path.name: mebibytes(path) for path in packages.iterdir() if path.is_dir()}
    # The libraries of a wheel are in a folder of their own.
    for name in [name for name in sizes if name.endswith(".libs")]:
        package = {"pillow.libs": "PIL"}.get(name, name.removesuffix(".libs"))
        sizes[package] = sizes.get(package, 0) + sizes.pop(name)
    largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:6]
    rest = sum(size for name, size in sizes.items() if name not in largest)
    return {name: round(sizes[name], 1) for name in largest} | {"others": round(rest, 1)}


def main() -> None:
    """Run the steps in a mount namespace, which ends with the process, and remove the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the measurements to this file, as JSON")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        stages = read_stages((CONTEXT / "Dockerfile").read_text())
        build(stages, arguments.inside)
        found = json.dumps(run(stages[-1], arguments.inside), indent=2)
        print(found)
        if arguments.out:
            arguments.out.write_text(found + "\n")
        return
    with tempfile.TemporaryDirectory(prefix="lesionlab-container-") as work:
        os.chmod(work, 0o755)  # noqa: S103 - other users pass through it  # noqa: PTH101
        again = ["unshare", "--mount", sys.executable, __file__, "--inside", work, *sys.argv[1:]]
        raise SystemExit(subprocess.run(again, check=False).returncode)


if __name__ == "__main__":
    main()
