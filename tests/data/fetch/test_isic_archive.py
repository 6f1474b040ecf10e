"""Images and metadata of the ISIC archive by a query, page by page."""

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from lesionlab.data.dataset import scan_dataset
from lesionlab.data.fetch import ArchiveQuery, Downloader, fetch_archive
from lesionlab.errors import DownloadError, LesionlabError, UsageError
from tests.data.fetch.server import Fault, FileServer, Served

SEARCH = "/api/images/search/"


@pytest.fixture
def api(server: FileServer, make_jpeg: Callable[..., bytes]) -> str:
    """Serve five images on three pages; return the address of the API."""

    def image(number: int) -> dict[str, Any]:
        server.files[f"/images/{number}.jpg"] = Served(make_jpeg(number))
        clinical: dict[str, Any] = {
            "diagnosis_1": "Benign",
            "diagnosis_3": "Nevus",
            "lesion_id": f"IL_{max(number, 1)}",
        }
        if number == 3:
            clinical |= {"diagnosis_1": "Malignant", "diagnosis_3": "Melanoma, NOS", "age_approx": 60}
        return {
            "isic_id": f"ISIC_000000{number}",
            "public": True,
            "copyright_license": "CC-0" if number else "CC-BY-NC",
            "attribution": "Klinik für Dermatologie" if number else "Anonymous",
            "files": {
                "full": {"url": f"{server.url}/images/{number}.jpg?signature={number}", "size": 1},
                "thumbnail_256": {"url": f"{server.url}/none.jpg", "size": 1},
            },
            "metadata": {"acquisition": {"image_type": "dermoscopic", "pixels_x": 40}, "clinical": clinical},
        }

    def page(results: list[int], following: str | None, count: int | None = None) -> Served:
        link = f"{server.url}{SEARCH}{following}" if following else None
        content = {"results": [image(number) for number in results], "count": count, "next": link, "previous": None}
        return Served(json.dumps(content).encode(), content_type="application/json")

    server.files[SEARCH] = page([0, 1], "?cursor=b", 5)
    server.files[f"{SEARCH}?cursor=b"] = page([1, 2, 3], "?cursor=c")  # the second image has moved to this page
    server.files[f"{SEARCH}?cursor=c"] = page([4], None)
    server.files[f"{SEARCH}size/"] = Served(b'{"size": 5000}')
    return f"{server.url}/api/"


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_all_pages_are_downloaded_and_read(api: str, server: FileServer, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    query = ArchiveQuery('diagnosis_3:"Nevus" OR sex:male', (212, 65), api=api)
    record = fetch_archive(query, tmp_path, progress=lambda done, total: seen.append((done, total)))
    first = parse_qs(urlsplit(server.requests[0][0]).query)
    assert (first["query"], first["collections"]) == (['diagnosis_3:"Nevus" OR sex:male'], ["212,65"])
    assert seen == [(number, 5) for number in range(1, 6)]
    scan = scan_dataset(tmp_path)
    assert (scan.layout, scan.problems, scan.lesions_known) == ("ISIC archive", (), True)
    assert [one.diagnosis for one in scan.records] == ["nv", "nv", "nv", "mel", "nv"]
    table = rows(tmp_path)
    assert list(table[0])[:4] == ["isic_id", "attribution", "copyright_license", "age_approx"]
    assert [row["age_approx"] for row in table] == ["", "", "", "60", ""]
    assert record.selection is not None
    assert (record.selection.found, record.selection.images) == (5, 5)
    assert record.selection.licenses == {"CC-BY-NC": 1, "CC-0": 4}
    stored = json.loads((tmp_path / "dataset.json").read_text(encoding="utf-8"))["selection"]
    assert stored["attributions"] == ["Klinik für Dermatologie", "Anonymous"]


def test_a_limit_stops_at_its_number(api: str, server: FileServer, tmp_path: Path) -> None:
    query = ArchiveQuery(limit=3, api=api)
    assert (query.count(Downloader()), query.size(Downloader())) == (3, None)
    fetch_archive(query, tmp_path)
    assert [row["isic_id"] for row in rows(tmp_path)] == ["ISIC_0000000", "ISIC_0000001", "ISIC_0000002"]
    assert len(list((tmp_path / "images").iterdir())) == 3
    fetch_archive(ArchiveQuery(limit=4, api=api), tmp_path)
    assert len(rows(tmp_path)) == 4
    assert len(server.ranges("/images/0.jpg")) == 1


def test_images_that_are_there_are_not_downloaded_again(api: str, server: FileServer, tmp_path: Path) -> None:
    server.files[f"{SEARCH}?cursor=b"].faults = [Fault(404)]
    with pytest.raises(DownloadError, match="HTTP 404"):
        fetch_archive(ArchiveQuery("sex:male", api=api), tmp_path)
    fetch_archive(ArchiveQuery("sex:male", api=api), tmp_path)
    assert len(server.ranges("/images/0.jpg")) == 1
    assert len(scan_dataset(tmp_path).records) == 5


def test_images_that_the_archive_does_not_have_are_counted(api: str, server: FileServer, tmp_path: Path) -> None:
    removed = server.files.pop("/images/2.jpg")
    with pytest.raises(DownloadError, match=r"1 of 5 images could not be downloaded \(ISIC_0000002: HTTP 404\)\."):
        fetch_archive(ArchiveQuery("sex:male", api=api), tmp_path)
    assert len(scan_dataset(tmp_path).manifest()) == 4
    server.files["/images/2.jpg"] = removed
    fetch_archive(ArchiveQuery("sex:male", api=api), tmp_path)
    assert len(scan_dataset(tmp_path).manifest()) == 5


def test_a_list_that_is_shorter_than_its_count_is_an_error(api: str, server: FileServer, tmp_path: Path) -> None:
    server.files[f"{SEARCH}?cursor=c"] = server.files[SEARCH]  # in a circle
    with pytest.raises(DownloadError, match=r"1 of 5 images could not be downloaded \(1 are counted, but not listed\)"):
        fetch_archive(ArchiveQuery("sex:male", api=api), tmp_path)
    assert len(rows(tmp_path)) == 4


def test_an_archive_that_is_not_reached_is_an_error(api: str, server: FileServer, tmp_path: Path) -> None:
    server.files["/images/0.jpg"].faults = [Fault(503)] * 3
    with pytest.raises(DownloadError, match="HTTP 503 Service Unavailable, 2 times in succession"):
        fetch_archive(
            ArchiveQuery("sex:male", api=api), tmp_path, downloader=Downloader(attempts=2, sleep=lambda _: None)
        )
    assert not (tmp_path / "metadata.csv").exists()


def test_an_interruption_does_not_wait_for_further_attempts(api: str, server: FileServer, tmp_path: Path) -> None:
    server.files["/images/1.jpg"].faults = [Fault(503, {"Retry-After": "600"})] * 3

    def interrupt(_done: int, _total: int) -> None:
        while not any(path.startswith("/images/1.jpg") for path, _ in server.requests):
            time.sleep(0.01)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_archive(ArchiveQuery("sex:male", api=api), tmp_path, progress=interrupt)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"isic_id": "../../ISIC_1"}, r"not a page of images \(results\.0\.isic_id"),
        ({"files": {}}, r"not a page of images \(results\.0\.files\.full"),
    ],
)
def test_unexpected_responses_are_errors(
    api: str, server: FileServer, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    page = json.loads(server.files[SEARCH].content)
    page["results"][0] |= change
    server.files[SEARCH] = Served(json.dumps(page).encode())
    with pytest.raises(DownloadError, match=message):
        fetch_archive(ArchiveQuery("sex:male", api=api), tmp_path)


def test_a_query_without_images_is_an_error(api: str, server: FileServer, tmp_path: Path) -> None:
    server.files[SEARCH] = Served(b'{"results": [], "count": 0, "next": null}')
    with pytest.raises(UsageError, match="the archive has no image for this query"):
        fetch_archive(ArchiveQuery("sex:male", api=api), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_holds_the_images_of_one_query(api: str, tmp_path: Path) -> None:
    fetch_archive(ArchiveQuery("sex:male", api=api), tmp_path)
    with pytest.raises(UsageError, match="holds the images of another query"):
        fetch_archive(ArchiveQuery("sex:female", api=api), tmp_path)
    (tmp_path / "dataset.json").unlink()
    with pytest.raises(UsageError, match=r"metadata\.csv exists; choose another --out, or replace it with --force"):
        fetch_archive(ArchiveQuery("sex:female", api=api), tmp_path)
    fetch_archive(ArchiveQuery("sex:female", api=api), tmp_path, force=True)


def test_space_is_checked_before_the_first_image(api: str, server: FileServer, tmp_path: Path) -> None:
    server.files[f"{SEARCH}size/"] = Served(b'{"size": 1e18}')
    with pytest.raises(LesionlabError, match=r"1,000,000,000\.0 GB are needed"):
        fetch_archive(ArchiveQuery("sex:male", api=api), tmp_path)
    assert list(tmp_path.iterdir()) == []
