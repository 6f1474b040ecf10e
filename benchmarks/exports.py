"""Every export of a bundle beside it: same images, one run; docs/exports.md has the table.

    python benchmarks/exports.py --data FOLDER [--model BUNDLE] [--only NAME...] [--images N] [--out FILE] [--docs FILE]
    python benchmarks/exports.py --table FILE [--docs FILE]

After each format what was found so far is written to --out, and a further run goes on from there. The second form only
writes the table of an earlier run. `--images` judges by so many validation images only: for a trial.
"""

import argparse
import os
import platform
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from conversion_run import add_arguments, found_before, images_to_judge_by
from marked import add_outputs, publish

from lesionlab.bundle import Bundle
from lesionlab.errors import LesionlabError
from lesionlab.export.convert import convert_bundle
from lesionlab.export.formats import FORMATS
from lesionlab.files import write_json

_HEADINGS = (
    *("format", "shipped", "balanced accuracy", "loss (95%)", "largest difference of a probability", "same prediction"),
    *("out of distribution", "inverted out of distribution", "MB", "one image, ms", "times FP32 (95%)"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    add_outputs(parser, "exports.json")
    parser.add_argument("--only", nargs="+", choices=list(FORMATS), default=list(FORMATS))
    arguments = parser.parse_args()
    if not (arguments.data or arguments.table):
        parser.error("--data or --table is needed")
    publish("exports", arguments, measure, table)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    bundle = Bundle.load(arguments.model)
    judged_by = images_to_judge_by(bundle, arguments)
    result: dict[str, Any] = {
        "what": "a bundle's exports beside its FP32 graph in onnxruntime: same images, latency in pairs",
        "command": "python benchmarks/exports.py --data FOLDER",
        "versions": {name: _version(name) for name in ("onnxruntime", "openvino", "ai-edge-litert", "coremltools")}
        | {"python": platform.python_version(), "cores": str(len(os.sched_getaffinity(0)))},
        "bundle": bundle.info.identity,
        "evaluated_on": judged_by.evaluated_on,
    }
    result["formats"] = found_before(result, "formats", arguments.out)
    for name in arguments.only:
        if name in result["formats"]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                found = convert_bundle(bundle, [FORMATS[name]], Path(folder), judged_by, threads=arguments.threads)[0]
                result["formats"][name] = found.model_dump(mode="json")
            except LesionlabError as error:
                print(f"{name}: {error}", flush=True)
                continue
        write_json(arguments.out, result)
        print(f"{name}: {', '.join(found.failures) or 'passes'}", flush=True)
    return result


def table(result: dict[str, Any]) -> str:
    """Return the table in Markdown."""
    rows = list(result["formats"].values())
    first = rows[0]
    lines = [
        f"{result['bundle']}, {first['images']} images ({result['evaluated_on']}), {first['threads']} threads:",
        "",
        "| " + " | ".join(_HEADINGS) + " |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        _fp32(first),
    ]
    lines += [_row(row) for row in rows]
    return "\n".join(lines)


def _fp32(row: dict[str, Any]) -> str:
    refused, strange = (_number(row[name], ".1%") for name in ("fp32_refused", "fp32_strange_refused"))
    accuracy, size = _number(row["fp32_balanced_accuracy"], ".3f"), f"{row['fp32_megabytes']:.1f}"
    cells = ("ONNX, FP32", "yes", accuracy, "", "", "", refused, strange, size, f"{row['fp32_milliseconds']:.1f}", "1")
    return "| " + " | ".join(cells) + " |"


def _row(row: dict[str, Any]) -> str:
    loss, latency = row["loss"] or {}, row["latency"]
    shipped = "yes" if not row["failures"] else "no: " + "; ".join(row["failures"])
    lost = _with_interval(loss, "+.4f") if loss.get("value") is not None else ""
    times = _with_interval(latency, ".2f") if latency else "not run here"
    mark = "" if row["computed_by"] == "runtime" else " (stand-in)"
    return (
        f"| {row['title']}{mark} | {shipped} | {_number(row['balanced_accuracy'], '.3f')} | {lost} "
        f"| {row['largest_difference']:.1e} | {row['agreement']:.1%} | {_number(row['refused'], '.1%')} "
        f"| {_number(row['strange_refused'], '.1%')} | {row['megabytes']:.1f} | {_number(row['milliseconds'], '.1f')} "
        f"| {times} |"
    )


def _with_interval(estimate: dict[str, Any], form: str) -> str:
    return f"{estimate['value']:{form}} ({estimate['low']:{form}} to {estimate['high']:{form}})"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    main()
