"""The notebook runs from its first cell to its last on synthetic images."""

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "from_data_to_report.ipynb"


def texts(notebook: nbformat.NotebookNode) -> list[str]:
    """Return what the cells printed."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    return [output.text for output in outputs if output.output_type == "stream" and output.name == "stdout"]


@pytest.mark.slow
def test_the_notebook_runs_and_ends_in_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LESIONLAB_CACHE", str(tmp_path / "cache"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    run = tmp_path / "lesionlab-notebook" / "run"
    metrics = json.loads((run / "evaluation" / "test" / "metrics.json").read_text(encoding="utf-8"))
    value = metrics["overall"]["balanced_accuracy"]["value"]
    # Seven classes: a model that has learnt nothing has 0.143.
    assert value > 0.5
    assert any(f"balanced_accuracy   {value:.3f}" in text for text in texts(notebook))
    assert (run / "evaluation" / "test" / "report.html").exists()


def test_the_committed_notebook_was_executed_whole_and_names_no_place_of_its_maker() -> None:
    source = NOTEBOOK.read_text(encoding="utf-8")
    notebook = nbformat.reads(source, as_version=4)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.output_type == "stream" and output.name == "stderr"]
    assert not any(place in source for place in ("/home/", "/root/", "/tmp/", "/Users/"))  # noqa: S108 - looked for
    assert len(source) < 300_000
