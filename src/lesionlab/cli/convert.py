"""`lesionlab convert`."""

from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesionlab import RESEARCH_ONLY
from lesionlab.cli.console import (
    log_to_console,
    new_table,
    progress_bar,
    require_extra,
    show,
    show_json,
    show_table,
    warn,
)
from lesionlab.cli.options import (
    Columns,
    Decisions,
    Force,
    Json,
    Metadata,
    Model,
    OutFolder,
    Threads,
    Unknown,
    existing,
    open_datasets,
)
from lesionlab.errors import LesionlabError, UsageError
from lesionlab.files import check_output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lesionlab.export.acceptance import AcceptanceReport


class To(StrEnum):
    """The formats; `lesionlab.export.formats` implements them."""

    ONNX_FP16 = "onnx-fp16"
    ONNX_INT8 = "onnx-int8"
    OPENVINO = "openvino"
    LITERT = "litert"
    COREML = "coreml"


def convert(
    to: Annotated[list[To], typer.Option("--to", help="Format; repeatable. Each gets its own folder in --out.")],
    folder: OutFolder,
    model: Model = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            "--data",
            callback=existing,
            help="Training dataset, repeatable: the converted model is compared on its validation images.",
            show_default=False,
        ),
    ] = None,
    metadata: Metadata = None,
    columns: Columns = None,
    unknown: Unknown = "error",
    decisions: Decisions = None,
    threads: Threads = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep a conversion that is too slow and meets all other criteria.")
    ] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Convert a bundle for other runtimes, and keep the conversions that meet the acceptance criteria.

    Each conversion is compared with the bundle end to end. It is kept if it loses at most 0.005 of balanced accuracy on
    the validation images and meets the latency limit of its format; otherwise it is removed and the exit code is 1.
    --keep keeps one that is only too slow here, for another machine.
    Without --data, outputs are compared on synthetic images. INT8 needs --data for calibration.
    """
    require_extra("lesionlab convert", "train", "torch", "timm", "onnx", "sklearn")
    from lesionlab.bundle import Bundle
    from lesionlab.export.convert import acceptance_data, convert_bundle, synthetic_acceptance_data
    from lesionlab.export.formats import FORMATS

    bundle, forms = Bundle.load(model), [FORMATS[name] for name in dict.fromkeys(to)]
    if not data and (calibrated := [form.name for form in forms if form.needs_calibration]):
        raise UsageError(f"--to {calibrated[0]} needs --data for calibration on training images")
    for form in forms:
        check_output(folder / form.name, [model, *(data or ())], force=force)
    log_to_console()
    image_type = bundle.info.image_type
    dataset = open_datasets(data, columns, metadata, unknown, decisions, image_type) if data else None
    context = nullcontext(acceptance_data(bundle.info, dataset)) if dataset else synthetic_acceptance_data()
    with context as images, progress_bar("comparing outputs") as progress:
        found = convert_bundle(bundle, forms, folder, images, threads=threads, keep_slow=keep, progress=progress)
    if as_json:
        show_json([one.model_dump(mode="json") for one in found])
    else:
        _show(found, keep=keep)
    for one in found:
        if keep and one.only_slow:
            warn(f"{one.format}: kept, although {one.failures[0]}")
    if failed := [one for one in found if not (one.passed or (keep and one.only_slow))]:
        reasons = "; ".join(f"{one.format}: {', '.join(one.failures)}" for one in failed)
        raise LesionlabError(f"not accepted: {reasons}")


def _show(found: "Sequence[AcceptanceReport]", *, keep: bool) -> None:
    headings = ("format", "result", "balanced accuracy", "loss (95%)", "probabilities", "agreement", "MB", "latency")
    title = f"{found[0].bundle}, {found[0].images} images ({found[0].evaluated_on})"
    table = new_table(*headings, title=title, left=2)
    for one in found:
        loss = one.loss.value if one.loss is not None else None
        interval = "" if one.loss is None or one.loss.low is None else f" ({one.loss.low:+.4f} to {one.loss.high:+.4f})"
        table.add_row(
            one.title,
            "accepted" if one.passed else "kept" if keep and one.only_slow else "rejected",
            f"{one.balanced_accuracy:.3f}" if loss is not None else "not measured",
            f"{loss:+.4f}{interval}" if loss is not None else "",
            f"within {one.largest_difference:.1e}",
            f"{one.agreement:.1%}",
            f"{one.megabytes:.1f}",
            f"{one.latency.value:.2f}x" if one.latency is not None else "not measured",
        )
    show_table(table)
    show(RESEARCH_ONLY)
