"""Tests of `lesionlab drift`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lesionlab import RESEARCH_ONLY
from lesionlab.runs import RunFolder


def test_text_and_json_agree(cli: Callable[..., Any], tiny_run: RunFolder, tiny_bundle: Path) -> None:
    manifest = tiny_run.manifest()
    places = [manifest.location(record) for record in manifest.select(tiny_run.split().subsets()["validation"])]
    shown = cli("drift", *places, "--model", tiny_run.bundle)
    assert (shown.code, shown.err) == (0, "")
    assert "No drift was found" in shown.out
    assert RESEARCH_ONLY in shown.out
    found = json.loads(cli("drift", *places, "--model", tiny_run.bundle, "--json").out)
    assert (found["images"], found["drifted"]) == (len(places), False)
    few = cli("drift", *places[:3], "--model", tiny_run.bundle)
    assert (few.code, few.out, len(few.err.splitlines())) == (1, "", 1)
    unknown = cli("drift", *places, "--model", tiny_bundle)
    assert unknown.code == 2
    assert "export its run again" in unknown.err
