"""Training on a Ray cluster: Ray Train starts the processes, one for each device.

The processes read the images and write the run folder themselves: all nodes need both under the same paths.
"""

import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lesionlab import __version__
from lesionlab.cpu import available_cores
from lesionlab.data import Manifest, Split
from lesionlab.errors import LesionlabError, OtherProcessError
from lesionlab.experiments.completion import require_same_run
from lesionlab.ray_cluster import one_line
from lesionlab.recipes import Recipe
from lesionlab.runs import RunFolder
from lesionlab.training import train_recipe
from lesionlab.training.processes import Processes, is_lost_connection
from lesionlab.training.tracking import Tracker, tracked

_SECONDS_BETWEEN_LINES = 1.0


def train_on_ray(
    run: RunFolder,
    recipe: Recipe,
    manifest: Manifest,
    split: Split,
    *,
    fold: int | None = None,
    device: str | None = None,
    workers: int | None = None,
    trackers: Sequence[Tracker] = (),
    show: Callable[[str], None] = lambda _: None,
) -> None:
    """Complete the training of a run by workers of the Ray cluster that this process is connected to.

    Args:
        run: The run folder; it need not exist.
        recipe: The recipe.
        manifest: The images.
        split: Their subsets.
        fold: Validation fold of a split with folds.
        device: `cpu` or `cuda`; None: CUDA if the cluster has GPUs.
        workers: Number of workers; None: one for each GPU of the cluster, or for each node.
        trackers: Where to send settings and metrics.
        show: Called with each new line of the run's log.

    Raises:
        UsageError: The folder holds another run, or the workers cannot share a batch.
        LesionlabError: The training failed, or the cluster has too few resources.
    """
    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.train.v2.api.exceptions import TrainingFailedError

    require_same_run(run, recipe, manifest, split, fold)
    if run.exists() and run.record().finished:
        return
    resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
    gpus = int(resources.get("GPU", 0))
    device = device or ("cuda" if gpus else "cpu")
    number = workers or (gpus if device == "cuda" else sum(node["Alive"] for node in ray.nodes()))  # type: ignore[no-untyped-call]
    kind = "GPU" if device == "cuda" else "CPU"
    if not 0 < number <= resources.get(kind, 0):  # Ray would wait for them
        raise LesionlabError(f"--workers {number}: the Ray cluster has {int(resources.get(kind, 0))} {kind}s")
    Processes(size=number).check(recipe)
    settings = {
        "version": __version__,
        "current": os.getcwd(),
        "folder": run.path,
        "recipe": recipe,
        "manifest": manifest,
        "split": split,
        "fold": fold,
        "device": device,
        "trackers": tuple(trackers),
    }
    with tempfile.TemporaryDirectory() as storage, _followed(run.log, show):
        trainer = TorchTrainer(
            _train,
            train_loop_config=settings,
            scaling_config=ScalingConfig(num_workers=number, use_gpu=device == "cuda"),
            run_config=RunConfig(storage_path=storage),
        )
        try:
            trainer.fit()
        except TrainingFailedError as error:
            raise _reason(error) from error
    if not (run.exists() and run.record().finished):
        raise LesionlabError(f"{run.path} is not in a folder that all nodes of the cluster share; choose another --out")


def _train(settings: dict[str, Any]) -> None:
    """Train in a worker of the cluster; Ray has connected it to the others."""
    import ray.train.torch
    import torch

    if settings.pop("version") != __version__:
        raise LesionlabError(f"a node has lesionlab {__version__}, not that of this machine; install the same")
    try:
        os.chdir(settings.pop("current"))  # paths in arguments, recipe and trackers are relative to it
    except OSError as error:
        raise LesionlabError(f"a node has no folder {error.filename}; start the command in a shared one") from None
    if settings["device"] == "cuda":
        torch.cuda.set_device(ray.train.torch.get_device())
    # Ray allows each worker one thread for its one core.
    torch.set_num_threads(max(1, available_cores() // ray.train.get_context().get_local_world_size()))
    processes = Processes.joined()
    trackers = settings.pop("trackers")
    folder: Path = settings.pop("folder")
    try:
        with tracked(RunFolder(folder), trackers if processes.is_first else ()) as callbacks:
            train_recipe(**settings, folder=folder, callbacks=callbacks, processes=processes)
    except LesionlabError as error:
        # Not all subclasses can be pickled.
        raise (error if isinstance(error, OtherProcessError) else LesionlabError(str(error))) from None
    except RuntimeError as error:
        if not is_lost_connection(error):
            raise
        raise OtherProcessError("the connection to another worker was lost; start the same command again") from None


def _reason(error: Any) -> LesionlabError:
    """Return the error of the worker that failed first, as far as it is known."""
    failures = [getattr(found, "_base_exc", found) for found in getattr(error, "worker_failures", {}).values()]
    # Others have failed for want of it.
    first = min(failures, key=lambda found: isinstance(found, OtherProcessError), default=error)
    return LesionlabError(
        str(first) if isinstance(first, LesionlabError) else f"a Ray worker failed: {one_line(first)}"
    )


@contextmanager
def _followed(log: Path, show: Callable[[str], None]) -> Iterator[None]:
    """Show the lines that others add to a log file while the block runs."""
    position = log.stat().st_size if log.exists() else 0
    ended = threading.Event()

    def new_lines() -> None:
        nonlocal position
        if not log.exists():
            return
        with log.open("rb") as stream:
            stream.seek(position)
            whole, _, _ = stream.read().rpartition(b"\n")
        if whole:
            position += len(whole) + 1
            for line in whole.decode(errors="replace").splitlines():
                show(line)

    def follow() -> None:
        while not ended.wait(_SECONDS_BETWEEN_LINES):
            new_lines()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        new_lines()
