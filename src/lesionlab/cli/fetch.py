"""`lesionlab data fetch`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lesionlab.cli.console import new_table, note, progress_bar, resumable, show, show_table
from lesionlab.cli.options import ResumableFolder, Subset
from lesionlab.errors import UsageError

if TYPE_CHECKING:
    from lesionlab.data.fetch import ArchiveQuery, Dataset, DatasetRecord

_MB = 1_000_000


def fetch(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="ham10000, isic2017, isic2018, isic2019, isic2020, milk10k, pad-ufes-20, ph2, or isic-archive for the "
            "images of a query.",
            show_default=False,
        ),
    ],
    folder: ResumableFolder,
    part: Annotated[
        Subset, typer.Option(help="Subset to download. Keep the test set for the final measurement.")
    ] = Subset.TRAIN,
    query: Annotated[
        str | None,
        typer.Option(
            help="Query of the ISIC archive, as 'diagnosis_3:\"Nevus\" AND image_type:dermoscopic'.",
            show_default=False,
        ),
    ] = None,
    collection: Annotated[
        list[int] | None,
        typer.Option(help="Number of a collection of the ISIC archive. Repeatable.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Number of images of the ISIC archive at most.", show_default=False)
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show files, sizes, licence and citation; download nothing.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace existing files whose content is not known to be that of the dataset."),
    ] = False,
) -> None:
    """Download a public dataset from its official place, in a layout that `lesionlab data check` reads.

    An interrupted download continues where it ended. Files are verified by a known checksum or, without one,
    by their size and the checksums within the archive. dataset.json holds source, date, checksums, licence and
    citation.
    """
    from lesionlab.data.fetch import ISIC_ARCHIVE, ArchiveQuery, find_dataset

    if name.lower() != ISIC_ARCHIVE:
        if query is not None or collection or limit is not None:
            raise UsageError(f"--query, --collection and --limit belong to {ISIC_ARCHIVE}, not to {name}")
        _fetch_dataset(find_dataset(name), folder, part, dry_run=dry_run, force=force)
        return
    if part is not Subset.TRAIN:
        raise UsageError(f"--part does not belong to {ISIC_ARCHIVE}: a query has no subsets")
    if not query and not collection and limit is None:
        raise UsageError(f"{ISIC_ARCHIVE}: select images with --query, --collection or --limit")
    _fetch_archive(ArchiveQuery(query or "", collection or (), limit), folder, dry_run=dry_run, force=force)


def _fetch_dataset(dataset: "Dataset", folder: Path, part: Subset, *, dry_run: bool, force: bool) -> None:
    from lesionlab.data.fetch import Downloader, fetch_dataset, plan_download
    from lesionlab.data.fetch.fetch import size_text

    _show_terms(dataset)
    parts = dataset.parts if part is Subset.ALL else (part.value,)
    plan = plan_download(dataset, folder, parts, force=force)
    table = new_table("file", "part", "checksum", "size", "state", left=3)
    for planned in plan:
        received = f"{size_text(planned.received)} received" if planned.received else "to download"
        checksum = "SHA-256" if planned.file.sha256 else "MD5" if planned.file.md5 else "none known"
        state = f"complete ({planned.complete.verified})" if planned.complete else received
        table.add_row(planned.file.name, planned.file.part, checksum, size_text(planned.file.bytes), state)
    show_table(table)
    show(f"to download: {size_text(sum(planned.missing for planned in plan))}")
    if dry_run:
        return
    with resumable(_again(dataset.name, folder, part)), progress_bar("MB") as progress:
        record = fetch_dataset(
            dataset,
            folder,
            parts,
            force=force,
            downloader=Downloader(notify=note),
            progress=lambda done, total: progress(done // _MB, total // _MB),
        )
    for planned in plan:
        show(f"{planned.file.name}: verified by {record.files[planned.file.name].verified}")
    show(f"{folder}: complete. To check it: lesionlab data check {shlex.quote(str(folder))}")


def _fetch_archive(query: "ArchiveQuery", folder: Path, *, dry_run: bool, force: bool) -> None:
    from lesionlab.data.fetch import ISIC_ARCHIVE, Downloader, archive_record, fetch_archive
    from lesionlab.data.fetch.fetch import size_text

    downloader = Downloader(notify=note)
    _show_terms(archive_record(query))
    if dry_run:
        size = query.size(downloader)
        show(f"to download: {query.count(downloader):,} images{f', {size_text(size)}' if size is not None else ''}")
        return
    options: list[object] = ["--query", query.query] if query.query else []
    for number in query.collections:
        options += ["--collection", number]
    options += [] if query.limit is None else ["--limit", query.limit]
    with resumable(_again(ISIC_ARCHIVE, folder, None, *options)), progress_bar("images") as progress:
        record = fetch_archive(query, folder, force=force, downloader=downloader, progress=progress)
    if record.selection is not None:
        licenses = ", ".join(f"{name} {count:,}" for name, count in record.selection.licenses.items())
        show(f"{folder}: {record.selection.images:,} of {record.selection.found:,} images. Licences: {licenses}")
    show(f"To check it: lesionlab data check {shlex.quote(str(folder))}")


def _show_terms(terms: "Dataset | DatasetRecord") -> None:
    show(f"{terms.title}: {terms.homepage}")
    show(f"licence: {terms.license} ({terms.license_url})")
    for citation in terms.citation:
        show(f"cite: {citation}")


def _again(name: str, folder: Path, part: Subset | None, *options: object) -> str:
    """Return how to continue an interrupted download."""
    given = [] if part in (None, Subset.TRAIN) else ["--part", part]
    words = ["lesionlab", "data", "fetch", name, "--out", folder, *given, *options]
    return f"run {shlex.join(map(str, words))}"
