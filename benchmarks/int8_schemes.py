"""Compare INT8 quantisation schemes of the shipped model, in order, until one meets the acceptance criteria.

    python benchmarks/int8_schemes.py --data FOLDER [--model BUNDLE] [--images N] [--all] [--out FILE]

Ranges are calibrated on training images, schemes are compared on validation images, and the test subset is not read.
The results are written to --out after each scheme, and a further run resumes from there. `--images` limits the number
of validation images, for a trial. `--all` continues after the first accepted scheme.
"""

import tempfile
import time
from pathlib import Path
from typing import Any, ClassVar

from common import command, options, versions
from conversion import earlier_results, images_to_compare

from lesionlab.bundle import Bundle
from lesionlab.export.convert import AcceptanceData, convert_bundle
from lesionlab.export.formats.format import Source
from lesionlab.export.formats.onnx_int8 import OnnxInt8, Scheme, quantised
from lesionlab.files import write_json

# From the fewest operations in FP32 to the most, then other calibration methods.
SCHEMES = {
    "convolutions and clips": Scheme(),
    "also sums": Scheme(operators=("Conv", "Clip", "Add")),
    "first convolution in FP32": Scheme(first=False),
    "last convolution in FP32": Scheme(last=False),
    "first and last convolution in FP32": Scheme(first=False, last=False),
    "mean extremes": Scheme(ranges="mean extremes"),
    "entropy": Scheme(ranges="entropy"),
    "percentile": Scheme(ranges="percentile"),
    "7-bit weights": Scheme(reduce_range=True),
    "per-layer weights": Scheme(per_channel=False),
    "matrix products, for transformers": Scheme(operators=("MatMul", "Gemm", "Conv")),
}


class SchemeInt8(OnnxInt8):
    """INT8 with a given scheme."""

    scheme: ClassVar[Scheme]

    def write(self, source: Source, folder: Path) -> str:
        (folder / self.file).write_bytes(quantised(source, self.scheme))
        return f"{self.scheme}, {len(source.calibration_images)} training images"


def main() -> None:
    parser = options(__doc__, "data!", "model", "images", "threads", "out", out=Path("int8_schemes.json"))
    parser.add_argument("--all", action="store_true")
    arguments = parser.parse_args()
    bundle = Bundle.load(arguments.model)
    data = images_to_compare(bundle, arguments)
    result: dict[str, Any] = {
        "what": "INT8 schemes against the FP32 graph, on validation images; the first accepted one is shipped",
        "command": command(arguments),
        "versions": versions("onnxruntime", "onnx", "numpy"),
        "bundle": bundle.info.identity,
        "evaluated_on": data.evaluated_on,
    }
    schemes = earlier_results(result, "schemes", arguments.out)
    result["schemes"] = schemes
    for name, scheme in SCHEMES.items():
        if name not in schemes:
            schemes[name] = measured(scheme, bundle, data, arguments.threads)
            write_json(arguments.out, result)
        print(name, schemes[name].get("failures", schemes[name].get("error")) or "passes", flush=True)
        if schemes[name].get("failures") == [] and not arguments.all:
            break


def measured(scheme: Scheme, bundle: Bundle, data: AcceptanceData, threads: int | None) -> dict[str, Any]:
    form = SchemeInt8()
    SchemeInt8.scheme = scheme
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = convert_bundle(bundle, [form], Path(folder), data, threads=threads)[0].model_dump(mode="json")
        except Exception as error:  # noqa: BLE001 - an unsupported scheme is a result
            found = {"scheme": str(scheme), "error": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
    return found | {"seconds": round(time.perf_counter() - start, 1)}


if __name__ == "__main__":
    main()
