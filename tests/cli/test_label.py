"""`lesionlab label`: the files that it writes, and its messages."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lesionlab.data import Manifest, read_dataset
from lesionlab.export import export_run
from lesionlab.recipes import Recipe
from lesionlab.training import train_recipe


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


@pytest.fixture
def labels(phantoms: Manifest, tmp_path: Path) -> Path:
    """Labels of two readers of 40 images, who differ in every tenth."""
    path = tmp_path / "labels.csv"
    rows = [
        f"{record.image_id},{reader},{'vasc' if reader == 'Bert' and number % 10 == 0 else record.diagnosis}"
        for number, record in enumerate({record.lesion_id: record for record in phantoms}.values())
        for reader in ("Anna", "Bert")
        if number < 40
    ]
    path.write_text("\n".join(["image_id,reader,diagnosis", *rows]) + "\n", encoding="utf-8")
    return path


def test_import_agreement_and_export(
    cli: Callable[..., Any], phantoms: Manifest, tiny_whole_bundle: Path, labels: Path, tmp_path: Path
) -> None:
    store = tmp_path / "labels.sqlite"
    imported = ["label", "import", phantoms.root, labels, "--store", store, "--readings", 2]
    assert "80 labels, 80 of them new" in cli(*imported).out
    assert "80 labels, 0 of them new" in cli(*imported).out
    agreed = cli(
        "label", "agreement", "--store", store, "--data", phantoms.root, "--model", tiny_whole_bundle, "--json"
    )
    report = json.loads(agreed.out)
    assert report["pairs"][0]["readers"] == ["Anna", "Bert"]
    assert report["pairs"][0]["lesions"] == 40
    assert report["pairs"][0]["kappa"]["value"] > 0.8
    assert [row["aided"] for row in report["accuracy"]] == [False, False, None]
    shown = cli("label", "agreement", "--store", store)
    assert (shown.code, "Anna / Bert" in shown.out, "not a diagnosis" in shown.out) == (0, True, True)
    exported = cli("label", "export", phantoms.root, "--store", store, "--out", tmp_path / "out")
    assert exported.code == 0, exported.err
    assert "agreed" in exported.out
    assert "--metadata" in exported.out
    rows = list(csv.DictReader((tmp_path / "out" / "manifest.csv").read_text().splitlines()))
    assert {row["label_origin"] for row in rows} == {"agreement"}
    assert len((tmp_path / "out" / "readings.csv").read_text().splitlines()) == 81


@pytest.mark.slow
def test_the_origin_of_the_labels_is_in_bundle_and_card(
    cli: Callable[..., Any], phantoms: Manifest, make_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    read_twice = {record.lesion_id for record in list(phantoms)[::3]}
    rows = [
        f"{record.lesion_id},{reader},{record.diagnosis}"
        for record in {record.lesion_id: record for record in phantoms}.values()
        for reader in ("Anna", "Bert")
        if reader == "Anna" or record.lesion_id in read_twice
    ]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["lesion_id,reader,diagnosis", *rows]), encoding="utf-8")
    store = tmp_path / "labels.sqlite"
    assert cli("label", "import", phantoms.root, table, "--store", store, "--readings", 1).code == 0
    assert cli("label", "export", phantoms.root, "--store", store, "--out", tmp_path / "out").code == 0
    labelled = read_dataset(phantoms.root, metadata=tmp_path / "out" / "manifest.csv")
    run = train_recipe(make_recipe(), labelled, tmp_path / "run")
    data = export_run(run).info.training_data
    single, agreed = (data.label_origins[origin] for origin in ("single reading", "agreement"))
    assert single + agreed == data.images["train"] + data.images["validation"]
    assert (min(single, agreed) > 0, data.label_readers) == (True, 2)
    card = cli("card", "--model", run.bundle).out
    assert f"agreement {agreed}, single reading {single}, made by 2 readers." in card


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["export", "DATA", "--store", "none.sqlite", "--out", "out"], "there is no such file"),
        (["agreement", "--store", "none.sqlite"], "there is no such file"),
        (["agreement", "--store", "nosuch://x"], "give a file or a database URL"),
    ],
)
def test_stores_that_cannot_be_used(
    cli: Callable[..., Any], phantoms: Manifest, command: list[object], message: str
) -> None:
    done = cli("label", *(phantoms.root if part == "DATA" else part for part in command))
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert message in done.err
