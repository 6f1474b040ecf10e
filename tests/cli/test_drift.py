"""`lesionlab drift` from outside."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lesionlab import RESEARCH_ONLY
from lesionlab.runs import RunFolder


def test_people_and_programs_get_the_same_comparison(
    cli: Callable[..., Any], tiny_run: RunFolder, tiny_bundle: Path
) -> None:
    manifest = tiny_run.manifest()
    places = [manifest.location(record) for record in manifest.select(tiny_run.split().subsets()["validation"])]
    shown = cli("drift", *places, "--model", tiny_run.bundle)
    assert (shown.code, shown.err) == (0, "")
    assert "No drift was found" in shown.out
    assert RESEARCH_ONLY in shown.out
    told = json.loads(cli("drift", *places, "--model", tiny_run.bundle, "--json").out)
    assert (told["images"], told["drifted"]) == (len(places), False)
    few = cli("drift", *places[:3], "--model", tiny_run.bundle)
    assert (few.code, few.out, len(few.err.splitlines())) == (1, "", 1)
    unknown = cli("drift", *places, "--model", tiny_bundle)
    assert unknown.code == 2
    assert "export its run again" in unknown.err
