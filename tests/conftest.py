"""Shared fixtures: a small real bundle made without torch, and a small real run."""

import os

# Before the import of torch: two workers with one thread each are faster than two with all cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Set by pytest-xdist; a console that meets it keeps this width whatever a test says.
os.environ.pop("COLUMNS", None)
# Set in some containers. Without compiled modules each worker and each process under test starts three times slower.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import gc
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import numpy as np
import pytest
from filelock import FileLock
from PIL import Image, ImageDraw

from lesionlab.bundle import (
    Bundle,
)
from lesionlab.data import Manifest
from lesionlab.phantoms import write_phantoms
from lesionlab.recipes import Recipe, load_recipe
from lesionlab.taxonomy import CODES, DIAGNOSIS_11

if TYPE_CHECKING:  # only the tests that need torch pay for its import
    from lesionlab.runs import RunFolder

sys.dont_write_bytecode = False
# Collection makes few reference cycles and many objects; see `pytest_collection_finish`.
gc.disable()

# Property tests are repeatable by default. `pytest --hypothesis-profile=seeds` draws other examples in each run;
# `LESIONLAB_HYPOTHESIS=random pytest -m hypothesis` other and more, as tests/test_properties.py does in the slow set.
hypothesis.settings.register_profile("ci", max_examples=25, derandomize=True, deadline=None)
hypothesis.settings.register_profile("seeds", max_examples=25, deadline=None)
hypothesis.settings.register_profile("random", max_examples=500, deadline=None)
hypothesis.settings.load_profile(os.environ.get("LESIONLAB_HYPOTHESIS", "ci"))

pytest_plugins = ["tests.bundles", "tests.hub", "tests.postgresql", "tests.ray_nodes"]
# 0.1 million weights, untrained; an epoch over the phantoms takes a tenth of a second.
_TINY_RECIPE = (
    "model.backbone=test_efficientnet",
    "model.pretrained=false",
    "input.size=32",
    "training.epochs=2",
    "training.batch_size=16",
    "training.precision=32-true",  # the same weights on every processor
)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays until the end: modules and collected tests."""
    gc.freeze()
    gc.enable()


def pytest_sessionfinish() -> None:
    """Let the interpreter free these objects at its end; extension modules report what is left over."""
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep every test away from the user's cache and weights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LESIONLAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("LESIONLAB_WEIGHTS", str(tmp_path_factory.mktemp("weights")))
        patch.delenv("LESIONLAB_MODEL", raising=False)
        yield


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this session that all workers share, for what is made once."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def figures_by_task() -> dict[str, Any]:
    """The figures of one report for each task."""
    return {}


@pytest.fixture(scope="module")
def figures_drawn_once(figures_by_task: dict[str, Any]) -> Iterator[None]:
    """Let all reports of a task show the figures of the first, where a test checks something else.

    Drawing them takes most of the time of an evaluation of a few images.
    """
    from lesionlab.evaluation import report

    draw = report._figures

    def stored(evaluated: Any, *others: Any, **options: Any) -> Any:
        if evaluated.task.name not in figures_by_task:
            figures_by_task[evaluated.task.name] = draw(evaluated, *others, **options)
        return figures_by_task[evaluated.task.name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "_figures", stored)
        yield


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Small synthetic images of 70 lesions; read-only."""
    return write_phantoms(tmp_path_factory.mktemp("phantoms") / "data", lesions=70, size=(64, 48))


@pytest.fixture(scope="session")
def phantoms_of_eleven(phantoms: Manifest) -> Manifest:
    """`phantoms` with three lesions of each of the four diagnoses beside the seven, drawn as nevi."""
    nevi = sorted({record.lesion_id for record in phantoms if record.diagnosis == "nv"})
    others = [code for code in DIAGNOSIS_11.classes if code not in CODES]
    label_of = dict(zip(nevi, [code for code in others for _ in range(3)], strict=False))
    records = (replace(record, diagnosis=label_of.get(record.lesion_id, record.diagnosis)) for record in phantoms)
    return replace(phantoms, records=tuple(records))


@pytest.fixture(scope="session")
def unlike_dermoscopy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of lines, which the shipped model abstains from."""
    path = tmp_path_factory.mktemp("drawing") / "drawing.jpg"
    image = Image.new("RGB", (320, 240), "white")
    draw = ImageDraw.Draw(image)
    for y in range(20, 220, 16):
        draw.line((20, y, 300 - y * 7 % 90, y), fill="black", width=4)
    image.save(path, quality=85, optimize=True)
    return path


@pytest.fixture(scope="session")
def make_recipe() -> Callable[..., Recipe]:
    """Return a function that makes a recipe with changes as of `--set`; it trains in a second."""

    def make(*changes: str) -> Recipe:
        return load_recipe("phantom-demo", [*_TINY_RECIPE, *changes])

    return make


@pytest.fixture(scope="session")
def tiny_run(
    phantoms: Manifest,
    make_recipe: Callable[..., Recipe],
    shared_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> "Iterator[RunFolder]":
    """A finished and exported run of a tiny network; read-only. One worker makes it, the others copy it."""
    from lesionlab.export import export_run
    from lesionlab.runs import RunFolder
    from lesionlab.training import train_recipe

    path = shared_folder / "tiny_run"
    with FileLock(f"{path}.lock"):
        if not RunFolder(path).bundle.exists():
            # With these, two epochs end with predictions that differ between images, and with thresholds.
            recipe = make_recipe("seed=3", "optimizer.learning_rate=0.01")
            export_run(train_recipe(recipe, phantoms, path))
    run = RunFolder(shutil.copytree(path, tmp_path_factory.mktemp("run") / "tiny"))
    yield run
    assert Bundle.load(run.path).info == Bundle.load(path).info, "a test has changed the shared run"


@pytest.fixture(scope="session")
def cropping_run(
    phantoms: Manifest,
    make_recipe: Callable[..., Recipe],
    tiny_segmentation: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> "RunFolder":
    """A finished and exported run of a network with a crop around the lesion; read-only."""
    from lesionlab.export import export_run
    from lesionlab.training import train_recipe

    crop = (f"crop.segmentation={tiny_segmentation}", "crop.source=96")
    recipe = make_recipe(*crop, "input.size=64", "training.epochs=1")
    run = train_recipe(recipe, phantoms, tmp_path_factory.mktemp("run") / "cropping")
    export_run(run)
    return run


@pytest.fixture(scope="session")
def spot() -> Callable[..., Image.Image]:
    """Return a function that draws a dark spot: position relative to the image, radius relative to the shorter side."""

    def draw(x: float, y: float, radius: float, size: tuple[int, int] = (160, 120)) -> Image.Image:
        picture = Image.new("RGB", size, (226, 180, 160))
        (across, down), reach = (x * size[0], y * size[1]), radius * min(size)
        box = [across - reach, down - reach, across + reach, down + reach]
        ImageDraw.Draw(picture).ellipse(box, fill=(90, 50, 40))
        return picture

    return draw


@pytest.fixture(scope="session")
def photograph() -> Image.Image:
    """A smooth 160x120 image without symmetry, in skin colours."""
    rows, columns = np.mgrid[0:120, 0:160]
    spot = np.exp(-(((columns - 60) / 30) ** 2) - ((rows - 45) / 20) ** 2)
    channels = [220 - 120 * spot, 180 - 130 * spot + columns / 8, 160 - 110 * spot + rows / 8]
    return Image.fromarray(np.stack(channels, axis=-1).clip(0, 255).astype(np.uint8))
