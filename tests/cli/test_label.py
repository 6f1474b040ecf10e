"""`lesionlab label`: the files that it writes, and its messages."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lesionlab.data import Manifest


def test_simulate_writes_curves_of_all_strategies(
    cli: Callable[..., Any], phantoms: Manifest, tiny_bundle: Path, tmp_path: Path
) -> None:
    arguments = ["label", "simulate", phantoms.root, "--model", tiny_bundle, "--out", tmp_path / "out"]
    sizes = ["--start", 10, "--batch", 10, "--budget", 30, "--seeds", 2]
    done = cli(*arguments, *sizes, "--strategies", "margin,hybrid")
    assert done.code == 0, done.err
    assert "not a diagnosis" in done.out
    assert "It is unknown whether tiny was fitted to these images" in done.err
    written = json.loads((tmp_path / "out" / "curves.json").read_text())
    assert [curve["strategy"] for curve in written["curves"]] == ["random", "margin", "hybrid"]
    assert [point["labels"] for point in written["curves"][0]["points"]] == [10, 20, 30]
    assert len(list(csv.DictReader((tmp_path / "out" / "curves.csv").read_text().splitlines()))) == 9
    assert "<svg" in (tmp_path / "out" / "curves.svg").read_text()
    again = cli(*arguments, *sizes)
    assert (again.code, again.err.count("\n")) == (2, 1)
    assert "--force" in again.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--strategies", "best"], "'best' is none of random"),
        (["--start", 50, "--budget", 40], "--budget 40 is not above --start 50"),
        (["--budget", 100000], "choose a smaller one"),
    ],
)
def test_simulate_explains_wrong_options(
    cli: Callable[..., Any],
    phantoms: Manifest,
    tiny_bundle: Path,
    tmp_path: Path,
    options: list[object],
    message: str,
) -> None:
    done = cli("label", "simulate", phantoms.root, "--model", tiny_bundle, "--out", tmp_path / "out", *options)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert message in done.err
    assert not (tmp_path / "out").exists()
