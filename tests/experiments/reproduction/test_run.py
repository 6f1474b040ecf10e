"""A reproduction on phantoms, from recipe to table."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lesionlab import RESEARCH_ONLY
from lesionlab.data import Manifest
from lesionlab.errors import DataError
from lesionlab.experiments import complete_run
from lesionlab.experiments.reproduction import PlannedRun, Reproduction, prepare, read_against, reproduce
from lesionlab.experiments.reproduction import run as module
from lesionlab.recipes import SplitProtocol

WriteRecipe = Callable[..., Path]


def check_table(found: Reproduction, out: Path, phantoms: Manifest) -> None:
    (recipe,) = found.recipes
    assert recipe.pending == ()
    assert recipe.unmeasured == {"kappa": 0.7}
    assert [row.metric for row in recipe.figures] == ["balanced_accuracy", "macro_auc", "accuracy", "mel.f1"]
    assert [row.headline for row in recipe.figures] == [True, True, False, False]
    for protocol, leaky in ((SplitProtocol.PUBLISHED, True), (SplitProtocol.LESION, False)):
        run = recipe.runs[protocol]
        metrics = json.loads((out / run.folder / "evaluation" / "test" / "metrics.json").read_text())
        assert run.leaky == metrics["leaky"] == leaky
        assert (run.n_images, run.n_lesions) == (metrics["n_images"], metrics["n_lesions"])
        assert run.figures["mel.f1"].model_dump() == metrics["per_class"]["mel"]["f1"]
        assert run.figures["accuracy"].model_dump() == metrics["overall"]["accuracy"]
        assert run.epochs == 1
        assert run.training_seconds > 0
        assert run.manifest_sha256 == phantoms.sha256
        assert run.split_sha256 == metrics["split_sha256"]
    row = next(row for row in recipe.figures if row.metric == "accuracy")
    leaky_value, lesion_value = (
        recipe.runs[key].figures["accuracy"].value for key in (SplitProtocol.PUBLISHED, SplitProtocol.LESION)
    )
    assert leaky_value is not None
    assert lesion_value is not None
    assert row.published == 0.92
    assert row.leak == leaky_value - lesion_value
    page = (out / "reproduction.md").read_text(encoding="utf-8")
    assert RESEARCH_ONLY in page
    (line,) = [line for line in page.splitlines() if "| accuracy |" in line]
    assert line.startswith("| tiny-published (32 pixels \\| small) | accuracy | 0.92 | ")
    assert f"{leaky_value:.3f} leaky |" in line


def check_comparison(plan: list[PlannedRun], phantoms: Manifest, out: Path, write_recipe: WriteRecipe) -> None:
    own = read_against(out / "tiny-published" / "lesion")
    compared = reproduce(prepare(plan, phantoms, out, against=own), out, against=own)
    assert compared.against == own.model
    pairs = {row.metric: row.against for row in compared.recipes[0].figures}
    pair = pairs["balanced_accuracy"]
    assert pair is not None
    assert pair.difference.model_dump() == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert pairs["accuracy"] is None
    at_precision = pairs.get("melanoma_recall_at_precision")
    assert at_precision is None or at_precision.difference.value == 0.0
    assert "+0.000 (+0.000 to +0.000)" in (out / "reproduction.md").read_text(encoding="utf-8")

    other = PlannedRun.model_validate({"recipe": str(write_recipe(name="other")), "set": ["split.seed=1"]})
    with pytest.raises(DataError, match="holds other images than the test subset of recipe other"):
        prepare([other], phantoms, out, against=own)
    melanoma = PlannedRun.model_validate({"recipe": str(write_recipe("task=melanoma", name="second"))})
    prepare([melanoma], phantoms, out, against=own)  # seven diagnoses cover every task


@pytest.mark.slow
def test_an_interrupted_reproduction_resumes_and_a_finished_one_is_reused(
    write_recipe: WriteRecipe, phantoms: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = [PlannedRun.model_validate({"recipe": str(write_recipe()), "remark": "32 pixels | small"})]
    out, complete = tmp_path / "out", complete_run

    def once(*arguments: Any, **named: Any) -> dict[str, Any]:
        if (out / "reproduction.json").exists():
            raise KeyboardInterrupt
        return complete(*arguments, **named)

    monkeypatch.setattr(module, "complete_run", once)
    with pytest.raises(KeyboardInterrupt):
        reproduce(prepare(plan, phantoms, out), out)
    (partial,) = json.loads((out / "reproduction.json").read_text(encoding="utf-8"))["recipes"]
    assert (list(partial["runs"]), partial["pending"]) == (["published"], ["lesion"])
    assert {(row["lesion_split"], row["leak"]) for row in partial["figures"]} == {(None, None)}
    assert "Not finished: tiny-published (lesion)." in (out / "reproduction.md").read_text(encoding="utf-8")
    monkeypatch.setattr(module, "complete_run", complete)
    trained = (out / "tiny-published" / "published" / "run.json").stat().st_mtime_ns
    first = reproduce(prepare(plan, phantoms, out), out)
    assert (out / "tiny-published" / "published" / "run.json").stat().st_mtime_ns == trained
    written = json.loads((out / "reproduction.json").read_text(encoding="utf-8"))
    assert written["notice"] == RESEARCH_ONLY
    assert written == first.model_dump(mode="json")
    check_table(first, out, phantoms)
    # A second call neither trains nor reads the test subset.
    repeated = reproduce(prepare(plan, phantoms, out), out)
    assert repeated == first
    assert '"times_test_was_read": 1' in (out / "tiny-published/lesion/evaluation/test/metrics.json").read_text()
    check_comparison(plan, phantoms, out, write_recipe)
