"""Compare all converted formats of a bundle with its FP32 graph on the same images; the table is in docs/exports.md.

    python benchmarks/exports.py --data FOLDER [--model BUNDLE] [--only NAME...] [--images N] [--out FILE] [--docs FILE]
    python benchmarks/exports.py --table FILE [--docs FILE]

The results are written to --out after each format, and a further run resumes from there. The second form writes the
table of an earlier run. `--images` limits the number of validation images, for a trial.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from common import options, publish, versions
from conversion import earlier_results, images_to_compare

from lesionlab.bundle import Bundle
from lesionlab.cpu import available_cores
from lesionlab.errors import LesionlabError
from lesionlab.export.convert import convert_bundle
from lesionlab.export.formats import FORMATS
from lesionlab.files import write_json

_HEADINGS = (
    *(
        "format",
        "accepted",
        "balanced accuracy",
        "loss (95%)",
        "largest difference of a probability",
        "same prediction",
    ),
    *("out of distribution", "inverted out of distribution", "MB", "one image, ms", "times FP32 (95%)"),
)


def main() -> None:
    names = ("data", "model", "images", "threads", "out", "table", "docs")
    parser = options(__doc__, *names, out=Path("exports.json"))
    parser.add_argument("--only", nargs="+", choices=list(FORMATS), default=list(FORMATS))
    arguments = parser.parse_args()
    if not (arguments.data or arguments.table):
        parser.error("--data or --table is needed")
    publish("exports", arguments, measure, table)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    bundle = Bundle.load(arguments.model)
    data = images_to_compare(bundle, arguments)
    result: dict[str, Any] = {
        "what": "converted formats of a bundle against its FP32 graph in onnxruntime, on the same images",
        "command": "python benchmarks/exports.py --data FOLDER",
        "versions": versions("onnxruntime", "openvino", "ai-edge-litert", "coremltools")
        | {"cores": str(available_cores())},
        "bundle": bundle.info.identity,
        "evaluated_on": data.evaluated_on,
    }
    result["formats"] = earlier_results(result, "formats", arguments.out)
    for name in arguments.only:
        if name in result["formats"]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                found = convert_bundle(bundle, [FORMATS[name]], Path(folder), data, threads=arguments.threads)[0]
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
    shares = (_number(row[name], ".1%") for name in ("fp32_abstained", "fp32_abstained_out_of_distribution"))
    accuracy, size = _number(row["fp32_balanced_accuracy"], ".3f"), f"{row['fp32_megabytes']:.1f}"
    cells = ("ONNX, FP32", "yes", accuracy, "", "", "", *shares, size, f"{row['fp32_milliseconds']:.1f}", "1")
    return "| " + " | ".join(cells) + " |"


def _row(row: dict[str, Any]) -> str:
    loss, latency = row["loss"] or {}, row["latency"]
    shipped = "yes" if not row["failures"] else "no: " + "; ".join(row["failures"])
    lost = _with_interval(loss, "+.4f") if loss.get("value") is not None else ""
    times = _with_interval(latency, ".2f") if latency else "not measured"
    mark = "" if row["computed_by"] == "runtime" else " (emulated)"
    return (
        f"| {row['title']}{mark} | {shipped} | {_number(row['balanced_accuracy'], '.3f')} | {lost} "
        f"| {row['largest_difference']:.1e} | {row['agreement']:.1%} | {_number(row['abstained'], '.1%')} "
        f"| {_number(row['abstained_out_of_distribution'], '.1%')} | {row['megabytes']:.1f} "
        f"| {_number(row['milliseconds'], '.1f')} | {times} |"
    )


def _with_interval(estimate: dict[str, Any], form: str) -> str:
    return f"{estimate['value']:{form}} ({estimate['low']:{form}} to {estimate['high']:{form}})"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


if __name__ == "__main__":
    main()
