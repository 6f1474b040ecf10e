"""`lesionlab data`: download or check a dataset, split it, or make a small one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lesionlab.cli.console import new_table, note_left_out, progress_bar, show, show_json, show_table
from lesionlab.cli.data_report import report
from lesionlab.cli.duplicates import duplicates
from lesionlab.cli.fetch import fetch
from lesionlab.cli.hmnist import DatasetFolder, export_hmnist, import_hmnist, mini
from lesionlab.cli.label_issues import label_issues
from lesionlab.cli.options import (
    Columns,
    Decisions,
    Force,
    Json,
    Metadata,
    Unknown,
    add_commands,
    column_mapping,
    open_dataset,
    with_decisions,
)
from lesionlab.errors import UsageError
from lesionlab.files import check_output

if TYPE_CHECKING:
    from lesionlab.data import DataReport, Manifest, Split

app = typer.Typer(help="Download or check a dataset, split it by lesion, or make a small one.", no_args_is_help=True)

_SHOWN_PER_KIND = 5
_SHOWN_SIZES = 5


def check(
    folder: DatasetFolder,
    metadata: Metadata = None,
    columns: Columns = None,
    unknown: Unknown = "error",
    as_json: Json = False,
) -> None:
    """Decode all images of a dataset and list its errors and warnings. The exit code is 1 if there are errors."""
    from lesionlab.data import check_dataset

    with progress_bar("checking images") as progress:
        report = check_dataset(
            folder, columns=column_mapping(columns), metadata=metadata, unknown=unknown, progress=progress
        )
    note_left_out(report.left_out)
    if as_json:
        show_json(report)
    else:
        _show_report(report)
    if not report.ok:
        raise typer.Exit(1)


def split(
    folder: DatasetFolder,
    target: Annotated[Path, typer.Option("--out", "-o", help="Split file to write (JSON).", show_default=False)],
    validation: Annotated[
        float | None,
        typer.Option(help="Share of the lesions for validation. Default: 0.15 without --folds.", show_default=False),
    ] = None,
    test: Annotated[float, typer.Option(help="Share of the lesions for the test set.")] = 0.15,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    folds: Annotated[
        int | None,
        typer.Option(help="Number of cross-validation folds for the non-test images.", show_default=False),
    ] = None,
    by_image: Annotated[
        bool,
        typer.Option(
            "--by-image",
            help="Split by image instead of by lesion. Leaky: lesions are shared between training and test; only to "
            "reproduce published figures.",
        ),
    ] = False,
    given: Annotated[
        bool,
        typer.Option("--given", help="Use the subsets that the data come with; missing validation images are drawn."),
    ] = False,
    metadata: Metadata = None,
    columns: Columns = None,
    unknown: Unknown = "error",
    decisions: Decisions = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Split a dataset into training, validation and test images; all images of a lesion are in one subset."""
    from lesionlab.data import given_split, make_split

    if given and (folds is not None or by_image):
        raise UsageError("--given excludes --folds and --by-image: the data define the split")
    if folds is not None and validation is not None:
        raise UsageError("--validation and --folds exclude each other: each fold is the validation set once")
    check_output(target, [folder, *(metadata or ())], force=force)
    check_output(target, decisions or (), force=force)
    manifest = open_dataset(folder, columns, metadata, unknown)
    manifest = with_decisions(manifest, decisions)
    check_output(target, map(manifest.location, manifest), force=force)
    share = 0.15 if validation is None else validation
    made = (
        given_split(manifest, validation=share, seed=seed)
        if given
        else make_split(manifest, validation=share, test=test, seed=seed, folds=folds, by_image=by_image)
    )
    made.save(target)
    if as_json:
        show_json(_split_json(manifest, made, target))
    else:
        _show_split(manifest, made, target)


add_commands(app, fetch, check, report, duplicates, label_issues, split, mini, import_hmnist, export_hmnist)


def _show_report(report: DataReport) -> None:
    from lesionlab.data import left_out_in_words
    from lesionlab.taxonomy import DIAGNOSIS

    table = new_table("", "", left=2)
    table.show_header = False
    others = {code: count for code, count in report.diagnoses.items() if not DIAGNOSIS.determines(code)}
    sizes = [f"{size} ({count:,})" for size, count in list(report.sizes.items())[:_SHOWN_SIZES]]
    if len(report.sizes) > _SHOWN_SIZES:
        sizes.append(f"{len(report.sizes) - _SHOWN_SIZES} more")
    gaps = [f"{name} of {count:,}" for name, count in report.gaps.items() if count]
    lesions = f"{report.lesions:,}, {report.lesions_with_several_images:,} of them with several images"
    for name, value in (
        ("layout", report.layout),
        ("images", f"{report.images:,}"),
        ("lesions", lesions if report.lesions_known else "unknown: each image is treated as a lesion of its own"),
        ("diagnoses", ", ".join(f"{code} {count:,}" for code, count in report.diagnoses.items())),
        ("other labels", left_out_in_words(others, DIAGNOSIS)),
        ("given split", ", ".join(f"{name} {count:,}" for name, count in report.subsets.items())),
        ("image sizes", ", ".join(sizes)),
        ("sources", ", ".join(f"{name} ({count:,})" for name, count in report.sources.items())),
        ("unknown", ", ".join(gaps) or "nothing"),
        ("manifest", report.manifest_sha256 or "none, because of the errors"),
    ):
        if value:
            table.add_row(name, value)
    show_table(table)
    _show_problems(report)
    errors, warnings = sum(report.errors.values()), sum(report.warnings.values())
    noted = f", {_counted(warnings, 'warning')}" if warnings else ""
    if report.ok:
        show(f"no errors{noted}", style="green")
    else:
        show(f"{_counted(errors, 'error')}{noted}", style="red")


def _show_problems(report: DataReport) -> None:
    for kind, count in (report.errors | report.warnings).items():
        show()
        label, style = ("error", "red") if kind.is_error else ("warning", "yellow")
        show(f"{label}: {kind.value} ({count:,})", style=style)
        found = [problem for problem in report.problems if problem.kind is kind]
        for problem in found[:_SHOWN_PER_KIND]:
            show(f"  {problem}")
        if count > _SHOWN_PER_KIND:
            show(f"  and {count - _SHOWN_PER_KIND:,} more (--json lists all)")
    show()


def _counts(manifest: Manifest, made: Split) -> dict[str, dict[str, int]]:
    """Return the number of images of each diagnosis, of images and of lesions in each subset."""
    parts = {name: [r for r in manifest if made.assignment[r.image_id] == name] for name in made.subset_names}
    counts = {}
    for name, records in parts.items():
        if records:
            chosen = manifest.select(record.image_id for record in records)
            counts[name] = {**chosen.counts(), "images": len(chosen), "lesions": chosen.lesion_count}
    return counts


def _split_json(manifest: Manifest, made: Split, target: Path) -> dict[str, Any]:
    hashes = {"path": str(target), "sha256": made.sha256, "manifest_sha256": made.manifest_sha256}
    facts = {"unit": made.unit, "leaky": made.leaky, "lesions_known": made.lesions_known, "folds": made.folds}
    return {**hashes, **facts, "seed": made.seed, "parts": _counts(manifest, made)}


def _show_split(manifest: Manifest, made: Split, target: Path) -> None:
    counts = _counts(manifest, made)
    table = new_table("subset", *(next(iter(counts.values()))))
    for name, row in counts.items():
        table.add_row(name, *(f"{count:,}" for count in row.values()))
    show_table(table)
    if made.leaky:
        show("LEAKY: split by image; lesions are shared between training and test.", style="bold red")
    if not made.lesions_known:
        show("The dataset does not identify lesions: leakage between subsets cannot be excluded.", style="yellow")
    show(f"{target}: split of {len(manifest):,} images, hash {made.sha256}")


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
