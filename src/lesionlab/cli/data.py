"""`lesionlab data`: is a dataset whole, how is it split, and how does it become one of tiny images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from lesionlab.cli.console import out, progress_bar
from lesionlab.cli.dataset import Columns, Metadata, column_mapping
from lesionlab.cli.hmnist import export_hmnist, import_hmnist, mini
from lesionlab.errors import UsageError

if TYPE_CHECKING:
    from lesionlab.data import DataReport, Manifest, Split

app = typer.Typer(help="Check a dataset, split it by lesion, or make a tiny one.", no_args_is_help=True)

_SHOWN_PER_KIND = 5
_SHOWN_SIZES = 5

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the dataset.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.command()
def check(folder: Folder, metadata: Metadata = None, columns: Columns = None, as_json: Json = False) -> None:
    """Decode every image of a dataset and list all that is wrong with it. Exit code 1 if anything is."""
    from lesionlab.data import check_dataset

    with progress_bar("Checking images") as progress:
        report = check_dataset(folder, columns=column_mapping(columns), metadata=metadata, progress=progress)
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        _show_report(report)
    if not report.ok:
        raise typer.Exit(1)


@app.command()
def split(
    folder: Folder,
    target: Annotated[Path, typer.Option("--out", help="File to write the split to (JSON).", show_default=False)],
    validation: Annotated[
        float | None, typer.Option(help="Share of the lesions for validation; 0.15 unless there are folds.")
    ] = None,
    test: Annotated[float, typer.Option(help="Share of the lesions for the test.")] = 0.15,
    seed: Annotated[int, typer.Option(help="Another seed gives another split.")] = 0,
    folds: Annotated[
        int | None, typer.Option(help="Deal what the test leaves into so many folds, for cross-validation.")
    ] = None,
    by_image: Annotated[
        bool, typer.Option("--by-image", help="Leaky; only to repeat a published figure that was obtained so.")
    ] = False,
    metadata: Metadata = None,
    columns: Columns = None,
    as_json: Json = False,
) -> None:
    """Assign the images of a dataset to training, validation and test, keeping each lesion in one part."""
    from lesionlab.data import make_split, read_dataset

    if folds is not None and validation is not None:
        raise UsageError("--validation has no meaning with --folds: each fold serves for validation once")
    manifest = read_dataset(folder, columns=column_mapping(columns), metadata=metadata)
    share = 0.15 if validation is None else validation
    made = make_split(manifest, validation=share, test=test, seed=seed, folds=folds, by_image=by_image)
    made.save(target)
    if as_json:
        typer.echo(_split_json(manifest, made, target))
    else:
        _show_split(manifest, made, target)


for command in (mini, import_hmnist, export_hmnist):
    app.command()(command)


def _show_report(report: DataReport) -> None:
    facts = Table(show_header=False, box=None)
    sizes = [f"{size} ({count:,})" for size, count in list(report.sizes.items())[:_SHOWN_SIZES]]
    if len(report.sizes) > _SHOWN_SIZES:
        sizes.append(f"{len(report.sizes) - _SHOWN_SIZES} more")
    gaps = [f"{name} of {count:,}" for name, count in report.gaps.items() if count]
    lesions = f"{report.lesions:,}, {report.lesions_with_several_images:,} of them with several images"
    for name, value in (
        ("layout", report.layout),
        ("images", f"{report.images:,}"),
        ("lesions", lesions if report.lesions_known else "unknown: each image counts as its own"),
        ("diagnoses", ", ".join(f"{code} {count:,}" for code, count in report.diagnoses.items())),
        ("image sizes", ", ".join(sizes)),
        ("sources", ", ".join(f"{name} ({count:,})" for name, count in report.sources.items())),
        ("unknown", ", ".join(gaps) or "nothing"),
        ("manifest", report.manifest_sha256 or "none, because of the errors"),
    ):
        facts.add_row(name, escape(value))
    out.print(facts)
    _show_problems(report)
    errors, warnings = sum(report.errors.values()), sum(report.warnings.values())
    noted = f", {_counted(warnings, 'warning')}" if warnings else ""
    out.print("[green]fine[/]" + noted if report.ok else f"[red]{_counted(errors, 'error')}[/]{noted}")


def _show_problems(report: DataReport) -> None:
    for kind, count in (report.errors | report.warnings).items():
        label = "[red]error[/]" if kind.is_error else "[yellow]warning[/]"
        out.print(f"\n{label}: {kind.value} ({count:,})")
        found = [problem for problem in report.problems if problem.kind is kind]
        for problem in found[:_SHOWN_PER_KIND]:
            out.print(f"  {escape(str(problem))}", soft_wrap=True)
        if count > _SHOWN_PER_KIND:
            out.print(f"  and {count - _SHOWN_PER_KIND:,} more (--json lists all)")
    out.print()


def _counts(manifest: Manifest, made: Split) -> dict[str, dict[str, int]]:
    """Return the images of each diagnosis, and the images and lesions in all, by part."""
    parts = {name: [r for r in manifest if made.assignment[r.image_id] == name] for name in made.subset_names}
    counts = {}
    for name, records in parts.items():
        if records:
            chosen = manifest.select(record.image_id for record in records)
            counts[name] = {**chosen.counts(), "images": len(chosen), "lesions": chosen.lesion_count}
    return counts


def _split_json(manifest: Manifest, made: Split, target: Path) -> str:
    import json

    summary = {"path": str(target), "sha256": made.sha256, "manifest_sha256": made.manifest_sha256}
    facts = {"unit": made.unit, "leaky": made.leaky, "lesions_known": made.lesions_known, "folds": made.folds}
    return json.dumps({**summary, **facts, "seed": made.seed, "parts": _counts(manifest, made)}, indent=2)


def _show_split(manifest: Manifest, made: Split, target: Path) -> None:
    counts = _counts(manifest, made)
    table = Table("part", *(next(iter(counts.values()))))
    for column in table.columns[1:]:
        column.justify = "right"
    for name, row in counts.items():
        table.add_row(name, *(f"{count:,}" for count in row.values()))
    out.print(table)
    if made.leaky:
        out.print(
            "[bold red]LEAKY: split by image. Images of one lesion stand on both sides: all that follows is leaky.[/]"
        )
    if not made.lesions_known:
        out.print("[yellow]The data do not tell which images show one lesion: a leak cannot be ruled out.[/]")
    out.print(f"{escape(str(target))}: split of {len(manifest):,} images, hash {made.sha256}", soft_wrap=True)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
