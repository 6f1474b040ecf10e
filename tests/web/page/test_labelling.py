"""The labelling page: two readers, a disagreement, the keys, and a server that is killed."""

import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from lesionlab.data import Manifest
from lesionlab.labelling.store import AnswerKind, EventKind, LabelStore, LesionStatus
from lesionlab.serving.server import bind
from tests.web.page.conftest import accessibility_issues

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

KILLS = int(os.environ.get("LESIONLAB_KILLS", "20"))


class LabelServer:
    """`lesionlab label serve` on one port, which can be killed and started again."""

    def __init__(self, data: Path, model: Path, store: str, log: Path) -> None:
        with bind("127.0.0.1", 0) as free:
            port = free.getsockname()[1]
        options = ("--store", store, "--model", str(model), "--port", str(port), "--readings", "2", "--batch", "10")
        self.command = [sys.executable, "-m", "lesionlab", "label", "serve", str(data), *options]
        self.address, self.log = f"http://127.0.0.1:{port}", log
        self.start()

    def start(self) -> None:
        with self.log.open("w") as stream:
            self.process = subprocess.Popen(self.command, stdout=stream, stderr=stream)
        end = time.monotonic() + 120
        while self.address not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end
            time.sleep(0.05)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def label_server(phantoms: Manifest, tiny_whole_bundle: Path, tmp_path: Path) -> Iterator[LabelServer]:
    server = LabelServer(phantoms.root, tiny_whole_bundle, str(tmp_path / "labels.sqlite"), tmp_path / "log.txt")
    yield server
    server.kill()


def open_page(chromium: Browser, server: LabelServer, reader: str) -> Page:
    page = chromium.new_context().new_page()
    page.set_default_timeout(120_000)
    page.goto(server.address)
    page.get_by_label("Your name").fill(reader)
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("status")).to_contain_text(f"{reader}: 0 read", timeout=60_000)
    return page


def lesion_of(page: Page) -> str:
    return page.get_by_role("heading", name=re.compile("^Lesion ")).inner_text().removeprefix("Lesion ")


def expect_read(page: Page, reader: str, count: int) -> None:
    expect(page.get_by_role("status")).to_contain_text(f"{reader}: {count} read", timeout=120_000)


def test_two_readers_disagree_and_a_third_decides(chromium: Browser, label_server: LabelServer, tmp_path: Path) -> None:
    anna, bert = (open_page(chromium, label_server, name) for name in ("Anna", "Bert"))
    assert accessibility_issues(anna) == []
    first = lesion_of(anna)
    assert lesion_of(bert) == first
    assert anna.get_by_text("Model:").count() == 0
    anna.keyboard.press("1")
    expect_read(anna, "Anna", 1)
    expect(anna.locator(".last")).to_contain_text(f"lesion {first}, your answer Melanoma. Model:")
    anna.keyboard.press("z")
    expect_read(anna, "Anna", 0)
    assert lesion_of(anna) == first
    anna.keyboard.press("n")
    anna.keyboard.type("12 hairs")
    anna.keyboard.press("Enter")
    expect(anna.get_by_label("Note")).to_have_value("12 hairs")
    expect_read(anna, "Anna", 0)
    anna.keyboard.press("+")
    expect(anna.locator(".viewer.zoomed")).to_have_count(1)
    anna.keyboard.press("1")
    expect_read(anna, "Anna", 1)
    bert.keyboard.press("2")
    expect_read(bert, "Bert", 1)
    bert.keyboard.press("s")
    expect(bert.locator(".last")).to_contain_text("skip")
    cora = open_page(chromium, label_server, "Cora")
    cora.get_by_role("link", name="Adjudicate").click()
    expect(cora.get_by_text("Answers of the readers")).to_have_text(
        "Answers of the readers: Melanocytic nevus; Melanoma"
    )
    cora.keyboard.press("c")
    expect(cora.get_by_text("Nothing is left to adjudicate.")).to_be_visible()
    with LabelStore(tmp_path / "labels.sqlite") as store:
        state = store.state()
        result = state.result(first)
        assert state.status(first) is LesionStatus.ADJUDICATED
        assert result is not None
        assert result.kind is AnswerKind.CANNOT_TELL
        assert state.note(first, "Anna") == "12 hairs"
        # Anna had seen the result before she answered again, and Bert had not.
        assert [one.answer.prediction_shown for one in state.readings(first)] == [True, False]


def check_kills(chromium: Browser, server: LabelServer, store: str) -> None:
    """Answer in two windows while the server is killed; every answer is stored, once."""
    pages = {name: open_page(chromium, server, name) for name in ("Anna", "Bert")}
    moments = random.Random(0)  # noqa: S311 - moments of a test
    for kill in range(1, KILLS + 1):
        for page in pages.values():
            page.keyboard.press(str(moments.randint(1, 7)))
        time.sleep(moments.uniform(0, 0.05))
        server.kill()
        server.start()
        for name, page in pages.items():
            expect_read(page, name, kill)
    with LabelStore(store) as opened:
        state = opened.state()
        answers = [event for event in state.events.values() if event.kind is EventKind.ANSWERED]
        assert len(answers) == 2 * KILLS
        assert len({(event.reader, event.lesion) for event in answers}) == 2 * KILLS


def test_a_killed_server_loses_and_doubles_no_answer(
    chromium: Browser, label_server: LabelServer, tmp_path: Path
) -> None:
    check_kills(chromium, label_server, str(tmp_path / "labels.sqlite"))


def test_a_killed_server_with_postgresql(
    chromium: Browser, phantoms: Manifest, tiny_whole_bundle: Path, tmp_path: Path, postgresql: str
) -> None:
    server = LabelServer(phantoms.root, tiny_whole_bundle, postgresql, tmp_path / "log.txt")
    try:
        check_kills(chromium, server, postgresql)
    finally:
        server.kill()
