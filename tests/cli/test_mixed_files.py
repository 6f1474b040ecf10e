"""A folder of mixed files: each is predicted, reported or counted, and memory use does not depend on their number."""

import csv
import io
import os
import re
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

NAMES = ("ISIC_{}", "皮肤 {}", "جلد {}", "kůže.{}", "🩺{}", "[{}]", "--{}", "%2e{}", "a;b,{}")


def encoded(image: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return stream.getvalue()


def images(photograph: Image.Image) -> dict[str, bytes]:
    """Return the bytes of an image by suffix."""
    pytest.importorskip("pillow_heif").register_heif_opener()
    pytest.importorskip("pillow_jxl")
    kinds = {
        ".JPG": "JPEG",
        ".jfif": "JPEG",
        ".jpe": "JPEG",
        "": "JPEG",
        ".png": "PNG",
        ".webp": "WEBP",
        ".tif": "TIFF",
    }
    kinds |= {".bmp": "BMP", ".gif": "GIF", ".avif": "AVIF", ".jp2": "JPEG2000", ".HEIC": "HEIF", ".jxl": "JXL"}
    return {suffix: encoded(photograph.resize((60, 45)), kind) for suffix, kind in kinds.items()}


def contents(photograph: Image.Image) -> Iterator[tuple[str, bytes, str]]:
    """Yield suffixes, contents, and what becomes of a file, again and again."""
    good = images(photograph)
    frame = good[".JPG"].index(b"\xff\xc0")
    bad = {
        ".jpg": b"",
        ".png": good[".png"][:700],
        ".jpeg": b"no image",
        ".jfif": good[".JPG"][: frame + 4] + b"\x0c" + good[".JPG"][frame + 5 :],
        ".heif": good[".HEIC"][:300],
        ".zip": b"PK\3\4",
    }
    others = (".psd", ".svg", ".CR2", ".txt", ".csv", ".db", ".rar", ".mp4", ".zip.part", ".html")
    every = [(suffix, data, "predicted") for suffix, data in good.items()]
    every += [(suffix, data, "failed") for suffix, data in bad.items()]
    every += [(suffix, b"x", "left out") for suffix in others]
    every += [("_mask.png", good[".png"], "left out"), ("_Segmentation.png", good[".png"], "left out")]
    yield from cycle(every)


def write(root: Path, number: int, photograph: Image.Image) -> Counter[str]:
    """Write files of all kinds, and return the number of those predicted, failed and left out."""
    expected: Counter[str] = Counter()
    jpeg = encoded(photograph.resize((60, 45)), "JPEG")
    for place, (suffix, data, fate) in enumerate(islice(contents(photograph), number)):
        folder = root / f"{place % 7}" / f"Bilder {place % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        stem = NAMES[place % len(NAMES)].format(place)
        if suffix == "_mask.png":
            (folder / f"{stem}.jpg").write_bytes(jpeg)
            expected["predicted"] += 1
        if not suffix and "." in stem:
            stem = f"photo {place}"
        (folder / f"{stem}{suffix}").write_bytes(data)
        expected[fate] += 1
    for folder in (root / f"{place}" for place in range(7)):
        (folder / "loop").symlink_to(root)
        (folder / "gone.jpg").symlink_to(root / "nowhere")
        (folder / ".hidden.jpg").write_bytes(jpeg)
        os.mkfifo(folder / "pipe.jpg")
        with zipfile.ZipFile(folder / "more.zip", "w") as archive:
            for name in ("a/1.jpg", "2.jpg", "2_mask.jpg", "readme.txt", "inner.zip", "__MACOSX/._2.jpg"):
                archive.writestr(name, jpeg)
        expected += Counter({"predicted": 2, "left out": 8})
    return expected


def fates(errors: str, folder: Path, table: Path) -> Counter[str]:
    """Return the number of files predicted, reported and counted, from the standard error and the table."""
    lines = errors.splitlines()
    (left_out,) = (line for line in lines if line.startswith("left out: "))
    with table.open(newline="") as stream:
        predicted = sum(1 for _ in csv.DictReader(stream))
    failed = sum(line.startswith(str(folder)) for line in lines)
    assert lines[-1] == f"{failed} of {failed + predicted} images could not be predicted"
    counts = re.findall(r"(?:^left out:|,) ([\d,]+) ", left_out)
    other = sum(int(count.replace(",", "")) for count in counts)
    return Counter({"predicted": predicted, "failed": failed, "left out": other})


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs links and pipes")
def test_3000_mixed_files_are_accounted_for_in_constant_memory(
    tmp_path: Path, photograph: Image.Image, tiny_bundle: Path
) -> None:
    code = (
        "import resource\nfrom lesionlab.cli import main\ntry: main()\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    environment = os.environ | {"LESIONLAB_MODEL": str(tiny_bundle), "COLUMNS": "400"}
    memory = []
    for number in (300, 3_000):
        folder, table = tmp_path / str(number), tmp_path / f"{number}.csv"
        expected = write(folder, number, photograph)
        command = [sys.executable, "-c", code, "predict", str(folder), "--out", str(table), "--threads", "1"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert fates(done.stderr, folder, table) == expected
        memory.append(int(done.stdout))  # KiB
    assert memory[1] < memory[0] + 30_000


@pytest.mark.skipif(sys.platform == "win32", reason="needs links and pipes")
def test_mixed_files_are_accounted_for(
    tmp_path: Path,
    photograph: Image.Image,
    tiny_bundle: Path,
    cli: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LESIONLAB_MODEL", str(tiny_bundle))
    folder, table = tmp_path / "mixed", tmp_path / "out.csv"
    expected = write(folder, 62, photograph)
    done = cli("predict", folder, "--out", table)
    assert done.code == 1
    assert fates(done.err, folder, table) == expected
