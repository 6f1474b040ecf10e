"""Tests of `lesionlab data fetch`."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lesionlab.data.fetch import Dataset, datasets, isic_archive
from tests.cli.conftest import Outcome
from tests.data.fetch.server import Fault, FileServer, Served, running_server
from tests.interrupts import RESTORE_INTERRUPTS

Cli = Callable[..., Outcome]


@pytest.fixture
def server() -> Iterator[FileServer]:
    with running_server() as server:
        yield server


@pytest.fixture
def tiny(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """A dataset with one table, from a server on this machine."""
    server.files["/table.csv"] = Served(b"isic_id,diagnosis\n")
    table = {"name": "table.csv", "bytes": 18}
    dataset = Dataset.model_validate(
        {
            "name": "tiny",
            "title": "Tiny",
            "homepage": "https://example.org",
            "license": "CC0 1.0",
            "license_url": "https://creativecommons.org/publicdomain/zero/1.0/",
            "citation": ["Tiny et al."],
            "base": f"{server.url}/",
            "files": [table],
        }
    )
    monkeypatch.setitem(datasets(), "tiny", dataset)
    return dataset


def test_licence_and_citation_are_shown_before_the_download(cli: Cli, tiny: Dataset, tmp_path: Path) -> None:
    done = cli("data", "fetch", "Tiny", "--out", tmp_path / "new")
    lines = done.out.splitlines()
    assert done.code == 0
    assert lines[:3] == [
        "Tiny: https://example.org",
        "licence: CC0 1.0 (https://creativecommons.org/publicdomain/zero/1.0/)",
        "cite: Tiny et al.",
    ]
    assert lines[-2:] == [
        "table.csv: verified by size",
        f"{tmp_path / 'new'}: complete. To check it: lesionlab data check {tmp_path / 'new'}",
    ]
    assert json.loads((tmp_path / "new" / "dataset.json").read_text())["citation"] == ["Tiny et al."]


def test_a_dry_run_lists_files_and_sizes_and_writes_nothing(cli: Cli, server: FileServer, tmp_path: Path) -> None:
    done = cli("data", "fetch", "isic2018", "--out", tmp_path / "new", "--part", "all", "--dry-run")
    assert done.code == 0
    assert "licence: CC BY-NC 4.0" in done.out
    assert "ISIC2018_Task3_Test_Input.zip" in done.out
    assert done.out.splitlines()[-1] == "to download: 3.2 GB"
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_behind_a_form_is_an_instruction(cli: Cli, tmp_path: Path) -> None:
    done = cli("data", "fetch", "ph2", "--out", tmp_path / "ph2")
    assert done.code == 1
    assert done.err.startswith("error: PH2 is behind a form: request it at https://www.fc.up.pt/addi/")
    assert done.err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["isic2019", "--query", "sex:male"],
            "--query, --collection and --limit belong to isic-archive, not to isic2019",
        ),
        (["isic-archive"], "isic-archive: select images with --query, --collection or --limit"),
        (["isic-archive", "--limit", "3", "--part", "test"], "--part does not belong to isic-archive"),
        (["isic2019", "--part", "validation"], "isic2019 has no labelled validation images; it has: train, test"),
        (["nothing"], "no dataset 'nothing'. Known: ham10000"),
    ],
)
def test_wrong_usage_is_one_line(cli: Cli, tmp_path: Path, arguments: list[str], message: str) -> None:
    done = cli("data", "fetch", *arguments, "--out", tmp_path / "new")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert f"error: {message}" in done.err


def test_failed_attempts_are_notes(cli: Cli, tiny: Dataset, server: FileServer, tmp_path: Path) -> None:
    server.files["/table.csv"].faults = [Fault(503, {"Retry-After": "0"})]
    done = cli("data", "fetch", "tiny", "--out", tmp_path / "new")
    assert done.code == 0
    assert "HTTP 503 Service Unavailable; next attempt in 0 s" in done.err
    server.files["/table.csv"] = Served(b"", faults=[Fault(404)])
    done = cli("data", "fetch", "tiny", "--out", tmp_path / "other")
    assert done.code == 1
    assert "table.csv: HTTP 404 Not Found; the file may have moved" in done.err.splitlines()[-1]


def test_images_of_the_archive_are_counted_by_licence(
    cli: Cli, server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = {
        "isic_id": "ISIC_0000001",
        "copyright_license": "CC-0",
        "attribution": "Clinic",
        "files": {"full": {"url": f"{server.url}/1.jpg"}},
        "metadata": {"clinical": {"diagnosis_3": "Nevus"}},
    }
    page = {"results": [image], "count": 1, "next": None}
    server.files["/images/search/"] = Served(json.dumps(page).encode())
    server.files["/images/search/size/"] = Served(b'{"size": 2000}')
    server.files["/1.jpg"] = Served(b"image")
    monkeypatch.setattr(isic_archive.ArchiveQuery.__init__, "__defaults__", ("", (), None, f"{server.url}/"))
    arguments = [
        "data",
        "fetch",
        "isic-archive",
        "--query",
        "sex:male",
        "--collection",
        "212",
        "--out",
        tmp_path / "new",
    ]
    assert cli(*arguments, "--dry-run").out.splitlines()[-1] == "to download: 1 images, 2 kB"
    assert list(tmp_path.iterdir()) == []
    done = cli(*arguments)
    assert f"{tmp_path / 'new'}: 1 of 1 images. Licences: CC-0 1" in done.out
    assert (tmp_path / "new" / "images" / "ISIC_0000001.jpg").read_bytes() == b"image"


SCRIPT = f"""{RESTORE_INTERRUPTS}
import sys
from lesionlab.cli import main
from lesionlab.data.fetch import Dataset, datasets
datasets()["tiny"] = Dataset.model_validate_json(sys.argv.pop(1))
main()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_ctrl_c_says_how_to_continue(tiny: Dataset, server: FileServer, tmp_path: Path) -> None:
    server.files["/table.csv"].faults = [Fault(delay=30)]
    out = tmp_path / "Läsion 黒"
    command = [sys.executable, "-c", SCRIPT, tiny.model_dump_json(), "data", "fetch", "tiny", "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    part = out / ".table.csv.part"
    while not (part.exists() and part.stat().st_size == 9):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert err.decode().splitlines()[-1] == (
        f"error: interrupted; to resume, run lesionlab data fetch tiny --out '{out}'"
    )
    assert subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0
    assert server.ranges("/table.csv") == [None, "bytes=9-"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX limits")
def test_a_full_disk_is_one_line(tiny: Dataset, server: FileServer, tmp_path: Path) -> None:
    server.files["/table.csv"] = Served(bytes(100_000))
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))"
    arguments = [tiny.model_dump_json(), "data", "fetch", "tiny", "--out", str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", limit + SCRIPT, *arguments], capture_output=True, check=False)
    message = b"File too large. What was received is kept; free some space and repeat the command"
    assert done.returncode == 1
    assert message in done.stderr.splitlines()[-1]
    assert b"Traceback" not in done.stderr
    assert not (tmp_path / "table.csv").exists()
    assert subprocess.run([sys.executable, "-c", SCRIPT, *arguments], capture_output=True, check=False).returncode == 0
    assert server.ranges("/table.csv") == [None, "bytes=60000-"]
