"""A command that is killed at random moments and started again, many times without the start of the interpreter.

Run as a program, it reads a `Plan` as JSON from standard input, and prints the moments of the kills.
"""

import importlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Plan:
    """What to run, and how often to kill it.

    Attributes:
        command: Arguments of `lesionlab`; `{run}` is replaced by `whole` once, and then by `killed-0`, `killed-1`, ...;
            each has a cache of its own, `cache of {run}`.
        kills: Number of kills; each run is started again until it ends by itself, and the last one is completed.
        seed: Of the moments.
        modules: What to import before the first process is forked.
        early: Share of the moments in the first tenth of the measured duration.
        finished: File or folder in `{run}` that a complete run has. A run that was killed after it was written is
            complete, and is not started again, since this would be an error.
    """

    command: Sequence[str]
    kills: int
    seed: int
    modules: Sequence[str] = ()
    early: float = 0.2
    finished: str = ""


def kill_at_random(plan: Plan, folder: Path) -> list[float]:
    """Run a plan with `folder` as working directory; return the moments of the kills as shares of the duration.

    Every run that was not killed has to end with the exit code of the undisturbed one, and without a traceback.
    """
    program = [sys.executable, __file__]
    with (folder / "errors.txt").open("wb") as errors:
        done = subprocess.run(
            program,
            check=False,
            input=json.dumps(asdict(plan)).encode(),
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=folder,
        )
    text = (folder / "errors.txt").read_text(encoding="utf-8")
    assert done.returncode == 0, text
    assert "Traceback" not in text, text
    moments: list[float] = json.loads(done.stdout)
    return moments


def _start(command: Sequence[str], run: str) -> int:
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.setsid()
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        os.environ["LESIONLAB_CACHE"] = os.path.abspath(f"cache of {run}")
        sys.argv = ["lesionlab", *(argument.replace("{run}", run) for argument in command)]
        importlib.import_module("lesionlab.cli").main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        os._exit(code)


def _end(child: int, seconds: float | None = None) -> int | None:
    """Return the exit code of a process; None for one that was killed, with its group, after some seconds."""
    deadline = None if seconds is None else time.monotonic() + seconds
    while True:
        found, status = os.waitpid(child, 0 if deadline is None else os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if deadline is not None and time.monotonic() >= deadline:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None
        time.sleep(0.001)


def _main() -> None:
    plan = Plan(**json.load(sys.stdin))
    for module in ("lesionlab.cli", *plan.modules):
        importlib.import_module(module)
    began = time.monotonic()
    expected = _end(_start(plan.command, "whole"))
    duration = time.monotonic() - began
    draw, moments, run = random.Random(plan.seed), list[float](), 0  # noqa: S311 - not for security
    while True:
        share = draw.uniform(0, 0.1 if draw.random() < plan.early else 0.9)
        seconds = share * duration if len(moments) < plan.kills else None
        code = _end(_start(plan.command, f"killed-{run}"), seconds)
        if code is None:
            moments.append(share)
            if plan.finished and Path(f"killed-{run}", plan.finished).exists():
                run += 1
        elif code != expected:
            raise SystemExit(f"run {run} ended with exit code {code}, not {expected}, after kills at {moments}")
        elif len(moments) >= plan.kills:
            break
        else:
            run += 1
    json.dump(moments, sys.stdout)


if __name__ == "__main__":
    _main()
