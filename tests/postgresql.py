"""A PostgreSQL server of the tests, where its programs are installed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """URL of an empty database on a server of its own, which only a socket in its folder reaches."""
    # Debian keeps the programs outside PATH.
    path = os.pathsep.join([os.environ["PATH"], *map(str, Path("/usr/lib/postgresql").glob("*/bin"))])
    initdb, control = (shutil.which(name, path=path) for name in ("initdb", "pg_ctl"))
    if not (initdb and control):
        pytest.skip("needs PostgreSQL's initdb and pg_ctl")
    # The path of a socket is short, and the server does not run as root.
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("PostgreSQL does not run as root")
        shutil.chown(folder, "nobody")
        as_user = ["setpriv", "--reuid=nobody", "--clear-groups"]

    def run(*command: str) -> None:
        # Its output goes to a file: the server would keep a pipe open.
        with (folder / "output").open("w") as output:
            done = subprocess.run([*as_user, *command], cwd=folder, stdout=output, stderr=output, check=False)
        assert done.returncode == 0, (folder / "output").read_text()

    data = str(folder / "data")
    try:
        run(initdb, "-D", data, "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder}"
        run(control, "-D", data, "-o", options, "-l", str(folder / "log"), "-w", "start")
        yield f"postgresql://tester@/postgres?host={folder}"
        run(control, "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
