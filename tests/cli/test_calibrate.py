"""Tests of `lesionlab calibrate`."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lesionlab.bundle import Bundle
from lesionlab.data import Manifest
from lesionlab.runs import RunFolder


def test_a_bundle_is_calibrated_into_a_new_one(
    cli: Callable[..., Any], tiny_run: RunFolder, phantoms: Manifest, tmp_path: Path
) -> None:
    shutil.copytree(tiny_run.bundle, tmp_path / "old")
    arguments = ("calibrate", "--model", tmp_path / "old", "--data", phantoms.root, "--out")
    done = cli(*arguments, tmp_path / "new")
    assert done.code == 0
    for text in ("negative log likelihood", "mean P(malignant); observed", "they are optimistic"):
        assert text in done.out
    assert Bundle.load(tmp_path / "new").graph == Bundle.load(tmp_path / "old").graph
    assert cli(*arguments, tmp_path / "new").code == 2  # the bundle exists
    assert cli(*arguments, tmp_path / "old", "--force").code == 2  # an input is never replaced
    forced = cli(*arguments, tmp_path / "new", "--force", "--json")
    assert forced.code == 0
    content = json.loads(forced.out)
    assert content["before"] == content["after"]
    assert content["calibration"]["method"] == content["after"]["method"]
