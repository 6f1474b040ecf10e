"""Which way to 8 bits keeps the shipped model's answers: schemes in order, until one passes the gate.

    python benchmarks/int8_schemes.py --data FOLDER [--model BUNDLE] [--images N] [--all] [--out FILE]

The ranges are learnt of training images, the schemes judged by validation images, the test part is not read. After each
scheme what was found so far is written to --out, and a further run goes on from there. `--images` judges by so many
validation images only: for a trial, not for a choice. `--all` goes on after the first scheme that passes.
"""

import argparse
import platform
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from conversion_run import add_arguments, found_before, images_to_judge_by

from lesionlab.bundle import Bundle
from lesionlab.export.convert import Examination, convert_bundle
from lesionlab.export.formats.format import Source
from lesionlab.export.formats.onnx_int8 import OnnxInt8, Scheme, quantised
from lesionlab.files import write_json

# From the fewest operations left in 32 bits to the most; then other ways to find ranges.
SCHEMES = {
    "convolutions and clips": Scheme(),
    "also sums": Scheme(operators=("Conv", "Clip", "Add")),
    "first convolution in 32 bits": Scheme(first=False),
    "last convolution in 32 bits": Scheme(last=False),
    "first and last convolution in 32 bits": Scheme(first=False, last=False),
    "mean extremes": Scheme(ranges="mean extremes"),
    "entropy": Scheme(ranges="entropy"),
    "percentile": Scheme(ranges="percentile"),
    "weights of 7 bits": Scheme(reduce_range=True),
    "weights by layer": Scheme(per_channel=False),
    "matrix products, for transformers": Scheme(operators=("MatMul", "Gemm", "Conv")),
}


class Tried(OnnxInt8):
    """INT8 by a scheme that is on trial."""

    scheme: ClassVar[Scheme]

    def write(self, source: Source, folder: Path) -> str:
        (folder / self.file).write_bytes(quantised(source, self.scheme))
        return f"{self.scheme}, {len(source.seen)} training images"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    parser.add_argument("--out", type=Path, default=Path("int8_schemes.json"))
    parser.add_argument("--all", action="store_true")
    arguments = parser.parse_args()
    if not arguments.data:
        parser.error("--data is needed")
    bundle = Bundle.load(arguments.model)
    judged_by = images_to_judge_by(bundle, arguments)
    result: dict[str, Any] = {
        "what": "ways to 8 bits beside the FP32 graph, on validation images; the first that passes is shipped",
        "command": "python benchmarks/int8_schemes.py --data FOLDER" + (" --all" if arguments.all else ""),
        "versions": {name: version(name) for name in ("onnxruntime", "onnx", "numpy")}
        | {"python": platform.python_version()},
        "bundle": bundle.info.identity,
        "evaluated_on": judged_by.evaluated_on,
    }
    schemes = found_before(result, "schemes", arguments.out)
    result["schemes"] = schemes
    for name, scheme in SCHEMES.items():
        if name not in schemes:
            schemes[name] = tried(scheme, bundle, judged_by, arguments.threads)
            write_json(arguments.out, result)
        print(name, schemes[name].get("failures", schemes[name].get("error")) or "passes", flush=True)
        if schemes[name].get("failures") == [] and not arguments.all:
            break


def tried(scheme: Scheme, bundle: Bundle, judged_by: Examination, threads: int | None) -> dict[str, Any]:
    form = Tried()
    Tried.scheme = scheme
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = convert_bundle(bundle, [form], Path(folder), judged_by, threads=threads)[0].model_dump(mode="json")
        except Exception as error:  # noqa: BLE001 - a scheme that onnxruntime cannot do is a finding
            found = {"scheme": str(scheme), "error": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
    return found | {"seconds": round(time.perf_counter() - start, 1)}


if __name__ == "__main__":
    main()
