"""Public datasets are downloaded into folders that the readers understand, and verified."""

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lesionlab.data.dataset import scan_dataset
from lesionlab.data.fetch import Dataset, Downloader, datasets, fetch_dataset, find_dataset, plan_download
from lesionlab.data.fetch.fetch import size_text
from lesionlab.errors import DataError, DownloadError, LesionlabError, UsageError
from tests.data.fetch.server import Fault, FileServer, Served

ZEROS = ",0.0,0.0,0.0,0.0,0.0"
MILK_CLASSES = "AKIEC,BCC,BEN_OTH,BKL,DF,INF,MAL_OTH,MEL,NV,SCCKA,VASC"


def archive(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as opened:
        for name, data in members.items():
            opened.writestr(name, data)
    return stream.getvalue()


def without_checksums(dataset: Dataset) -> Dataset:
    files = tuple(file.model_copy(update={"md5": None, "sha256": None, "bytes": 10}) for file in dataset.files)
    return dataset.model_copy(update={"files": files})


@pytest.fixture
def serve(server: FileServer, make_jpeg: Callable[..., bytes]) -> Callable[[str], Dataset]:
    """Serve two or three images of a dataset in its official files; return the dataset without checksums."""
    jpegs = [make_jpeg(shade) for shade in range(12)]
    truth_2018 = f"image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\nISIC_{{0}},1.0,0.0{ZEROS}\nISIC_{{1}},0.0,1.0{ZEROS}\n"
    truth_2019 = "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK"

    def images(folder: str, *numbers: int, suffix: str = ".jpg") -> dict[str, bytes]:
        return {f"{folder}/ISIC_{number}{suffix}": jpegs[number] for number in numbers}

    def text(content: str) -> bytes:
        return content.encode()

    contents: dict[str, dict[str, bytes]] = {
        "ham10000": {
            "HAM10000_metadata.csv": text(
                "lesion_id,image_id,dx,dx_type,age,sex,localization,dataset\n"
                "HAM_0,ISIC_0,mel,histo,50,male,back,rosendahl\nHAM_1,ISIC_1,nv,follow_up,20,female,back,vidir_molemax\n"
            ),
            "HAM10000_images_part_1.zip": archive({"ISIC_0.jpg": jpegs[0]}),
            "HAM10000_images_part_2.zip": archive({"ISIC_1.jpg": jpegs[1]}),
            "HAM10000_segmentations_lesion_tschandl.zip": archive(
                {"masks/ISIC_0_segmentation.png": b"mask", "__MACOSX/masks/._ISIC_0_segmentation.png": b"mac"}
            ),
        },
        "isic2017": {
            "ISIC-2017_Training_Part3_GroundTruth.csv": text(
                "image_id,melanoma,seborrheic_keratosis\nISIC_0,1.0,0.0\nISIC_1,0.0,0.0\n"
            ),
            "ISIC-2017_Training_Data.zip": archive(
                images("ISIC-2017_Training_Data", 0, 1)
                | {"ISIC-2017_Training_Data/ISIC_0_superpixels.png": b"png"}
                | {
                    "ISIC-2017_Training_Data/ISIC-2017_Training_Data_metadata.csv": b"image_id,age_approximate,sex\n"
                    b"ISIC_0,55,female\nISIC_1,unknown,male\n"
                }
            ),
            "ISIC-2017_Test_v2_Part3_GroundTruth.csv": text("image_id,melanoma,seborrheic_keratosis\nISIC_2,0.0,1.0\n"),
            "ISIC-2017_Test_v2_Data.zip": archive(
                images("ISIC-2017_Test_v2_Data", 2)
                | {"ISIC-2017_Test_v2_Data/ISIC-2017_Test_v2_Data_metadata.csv": b"image_id,sex\nISIC_2,male\n"}
            ),
        },
        "isic2018": {
            "ISIC2018_Task3_Training_LesionGroupings.csv": text(
                "image,lesion_id,diagnosis_confirm_type\nISIC_0,L0,histopathology\nISIC_1,L1,histopathology\n"
            ),
            **{
                f"ISIC2018_Task3_{part}_GroundTruth.zip": archive(
                    {
                        f"{part}/ISIC2018_Task3_{part}_GroundTruth.csv": text(truth_2018.format(first, first + 1)),
                        f"{part}/LICENSE.txt": b"",
                    }
                )
                for part, first in (("Training", 0), ("Validation", 2), ("Test", 4))
            },
            **{
                f"ISIC2018_Task3_{part}_Input.zip": archive(images(f"{part}_Input", first, first + 1))
                for part, first in (("Training", 0), ("Validation", 2), ("Test", 4))
            },
        },
        "isic2019": {
            "ISIC_2019_Training_GroundTruth.csv": text(
                f"{truth_2019}\nISIC_0,1.0,0.0,0.0,0.0{ZEROS}\nISIC_1,0.0,1.0,0.0,0.0{ZEROS}\n"
            ),
            "ISIC_2019_Training_Metadata.csv": text("image,age_approx,lesion_id,sex\nISIC_0,55,L0,male\nISIC_1,,L1,\n"),
            "ISIC_2019_Training_Input.zip": archive(images("ISIC_2019_Training_Input", 0, 1)),
            "ISIC_2019_Test_GroundTruth.csv": text(
                f"{truth_2019},score_weight,validation_weight\nISIC_2,0.0,0.0,1.0,0.0{ZEROS},1.0,0.0\n"
            ),
            "ISIC_2019_Test_Metadata.csv": text("image,age_approx,anatom_site_general,sex\nISIC_2,55,,male\n"),
            "ISIC_2019_Test_Input.zip": archive(images("ISIC_2019_Test_Input", 2)),
        },
        "isic2020": {
            "ISIC_2020_Training_GroundTruth_v2.csv": text(
                "image_name,patient_id,lesion_id,sex,age_approx,diagnosis,benign_malignant,target\n"
                "ISIC_0,IP_0,IL_0,male,45,melanoma,malignant,1\nISIC_1,IP_0,IL_1,male,45,nevus,benign,0\n"
            ),
            "ISIC_2020_Training_Duplicates.csv": text("image_name_1,image_name_2\n"),
            "ISIC_2020_Training_JPEG.zip": archive(images("train", 0, 1)),
        },
        "milk10k": {
            "MILK10k_Training_GroundTruth.csv": text(
                f"lesion_id,{MILK_CLASSES}\nIL_0,1.0{',0.0' * 10}\nIL_1,0.0,1.0{',0.0' * 9}\n"
            ),
            "MILK10k_Training_Metadata.csv": text(
                "lesion_id,image_type,isic_id\nIL_0,dermoscopic,ISIC_0\nIL_1,dermoscopic,ISIC_1\n"
                "IL_1,clinical: close-up,ISIC_2\n"
            ),
            "MILK10k_Training_Supplement.csv": text(
                "isic_id,diagnosis_full,diagnosis_confirm_type\nISIC_0,A,histopathology\nISIC_1,B,histopathology\n"
                "ISIC_2,B,histopathology\n"
            ),
            "MILK10k_Training_Input.zip": archive(
                images("MILK10k_Training_Input/IL_0", 0) | images("MILK10k_Training_Input/IL_1", 1, 2)
            ),
        },
        "pad-ufes-20": {
            "metadata.csv": text(
                "patient_id,lesion_id,age,gender,diagnostic,img_id,biopsed\n"
                "PAT_0,10,55,FEMALE,ACK,ISIC_0.png,False\nPAT_1,11,55,MALE,BCC,ISIC_1.png,True\n"
            ),
            "imgs_part_1.zip": archive(images("imgs_part_1", 0, suffix=".png")),
            "imgs_part_2.zip": archive(images("imgs_part_2", 1, suffix=".png")),
            "imgs_part_3.zip": archive({"imgs_part_3/": b""}),
        },
    }

    def serve_dataset(name: str) -> Dataset:
        dataset = without_checksums(datasets()[name].model_copy(update={"base": f"{server.url}/"}))
        for file in dataset.files:
            if file.name in contents[name]:
                server.files[f"/{file.path or file.name}"] = Served(contents[name][file.name])
        return dataset

    return serve_dataset


Serve = Callable[[str], Dataset]


@pytest.mark.parametrize(
    ("name", "layout", "lesions"),
    [
        ("ham10000", "HAM10000", ["HAM_0", "HAM_1"]),
        ("isic2017", "ISIC 2017", ["ISIC_0", "ISIC_1"]),
        ("isic2018", "ISIC 2018 task 3", ["L0", "L1"]),
        ("isic2019", "ISIC 2019", ["L0", "L1"]),
        ("isic2020", "ISIC 2020", ["IL_0", "IL_1"]),
        ("milk10k", "MILK10k", ["IL_0", "IL_1"]),
        ("pad-ufes-20", "PAD-UFES-20", ["10", "11"]),
    ],
)
def test_each_dataset_is_read_as_downloaded(
    serve: Serve, tmp_path: Path, name: str, layout: str, lesions: list[str]
) -> None:
    dataset = serve(name)
    record = fetch_dataset(dataset, tmp_path / "Läsion 黒")
    scan = scan_dataset(tmp_path / "Läsion 黒")
    assert scan.layout == layout
    assert [one for one in scan.problems if one.kind.is_error] == []
    assert [one.lesion_id for one in scan.records] == lesions
    assert len(record.files) == len([file for file in dataset.files if file.part == "train"])
    stored = json.loads((tmp_path / "Läsion 黒" / "dataset.json").read_text(encoding="utf-8"))
    assert (stored["license"], stored["citation"]) == (dataset.license, list(dataset.citation))


def test_all_subsets_are_read_together(serve: Serve, tmp_path: Path) -> None:
    dataset = serve("isic2018")
    for part in dataset.parts:
        fetch_dataset(dataset, tmp_path, [part])
    scan = scan_dataset(tmp_path)
    assert not scan.problems
    assert [(one.image_id, one.subset) for one in scan.records] == [
        ("ISIC_4", "test"),
        ("ISIC_5", "test"),
        ("ISIC_0", "train"),
        ("ISIC_1", "train"),
        ("ISIC_2", "validation"),
        ("ISIC_3", "validation"),
    ]
    with pytest.raises(UsageError, match="isic2020 has no labelled test images; it has: train"):
        fetch_dataset(find_dataset("isic2020"), tmp_path, ["test"])


def test_masks_and_tables_within_archives_are_unpacked(serve: Serve, tmp_path: Path) -> None:
    fetch_dataset(serve("ham10000"), tmp_path / "ham")
    masks = tmp_path / "ham" / "HAM10000_segmentations"
    assert {path.name: path.read_bytes() for path in masks.iterdir()} == {"ISIC_0_segmentation.png": b"mask"}
    fetch_dataset(serve("isic2017"), tmp_path / "2017")
    record = scan_dataset(tmp_path / "2017").records[0]
    assert (record.age, record.sex) == (55, "female")


def test_a_second_call_downloads_nothing(serve: Serve, server: FileServer, tmp_path: Path) -> None:
    dataset = serve("isic2018")
    first = fetch_dataset(dataset, tmp_path)
    before = len(server.requests)
    assert fetch_dataset(dataset, tmp_path) == first
    assert len(server.requests) == before
    (tmp_path / "ISIC2018_Task3_Training_GroundTruth.csv").unlink()
    (tmp_path / "ISIC2018_Task3_Training_LesionGroupings.csv").unlink()
    fetch_dataset(dataset, tmp_path)
    assert len(server.requests) == before + 1
    assert len(scan_dataset(tmp_path).records) == 2


def test_an_interrupted_dataset_is_continued(serve: Serve, server: FileServer, tmp_path: Path) -> None:
    dataset = serve("isic2019")
    file = server.files["/ISIC_2019_Training_Input.zip"]
    file.faults = [Fault(cut_after=100)]
    with pytest.raises(DownloadError, match="100 bytes are kept; the same command continues"):
        fetch_dataset(dataset, tmp_path, downloader=Downloader(attempts=1))
    plan = {planned.file.name: planned for planned in plan_download(dataset, tmp_path)}
    assert plan["ISIC_2019_Training_Input.zip"].received == 100
    assert plan["ISIC_2019_Training_Metadata.csv"].complete is not None
    fetch_dataset(dataset, tmp_path)
    assert server.ranges("/ISIC_2019_Training_Input.zip") == [None, "bytes=100-"]
    assert len(server.ranges("/ISIC_2019_Training_Metadata.csv")) == 1


def checked(dataset: Dataset, name: str, **checksums: str) -> Dataset:
    files = [file.model_copy(update=checksums) if file.name == name else file for file in dataset.files]
    return dataset.model_copy(update={"files": tuple(files)})


@pytest.mark.parametrize(("kind", "label"), [("md5", "MD5"), ("sha256", "SHA-256")])
def test_files_are_verified_by_their_checksums(
    serve: Serve, server: FileServer, tmp_path: Path, kind: str, label: str
) -> None:
    dataset, name = serve("isic2019"), "ISIC_2019_Training_Input.zip"
    right = hashlib.new(kind, server.files[f"/{name}"].content).hexdigest()
    wrong = checked(dataset, name, **{kind: "0" * len(right)})
    with pytest.raises(DownloadError, match=rf"{name}: its {label} is {right} instead of 0+: .* It was removed"):
        fetch_dataset(wrong, tmp_path)
    assert [path.name for path in tmp_path.iterdir() if name in path.name] == []
    record = fetch_dataset(checked(dataset, name, **{kind: right}), tmp_path)
    assert record.files[name].verified == label
    assert record.files[name].sha256 == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    assert record.files["ISIC_2019_Training_Metadata.csv"].verified == "size"


def test_archives_without_checksums_are_tested(serve: Serve, server: FileServer, tmp_path: Path) -> None:
    dataset, name = serve("isic2019"), "ISIC_2019_Training_Input.zip"
    whole = server.files[f"/{name}"].content
    for content, message in (
        (whole.replace(b"\xff\xda", b"\xff\xdb"), "ISIC_0.jpg in it is damaged"),
        (whole[:-10], "not a complete zip archive"),
        (b"no archive", "not a complete zip archive"),
    ):
        server.files[f"/{name}"] = Served(content)
        with pytest.raises(DownloadError, match=message):
            fetch_dataset(dataset, tmp_path)
        assert not (tmp_path / name).exists()
    server.files[f"/{name}"] = Served(whole)
    assert fetch_dataset(dataset, tmp_path).files[name].verified == "size and CRC-32 of the zip members"


def test_a_size_is_needed_where_nothing_else_shows_the_end(serve: Serve, server: FileServer, tmp_path: Path) -> None:
    dataset = serve("isic2019")
    server.files["/ISIC_2019_Training_Input.zip"].transfer = "open"
    fetch_dataset(dataset, tmp_path / "a")
    server.files["/ISIC_2019_Training_Metadata.csv"].transfer = "open"
    with pytest.raises(DownloadError, match=r"Metadata\.csv: the server does not state the size"):
        fetch_dataset(dataset, tmp_path / "b")
    content = server.files["/ISIC_2019_Training_Metadata.csv"].content
    known = checked(dataset, "ISIC_2019_Training_Metadata.csv", sha256=hashlib.sha256(content).hexdigest())
    fetch_dataset(known, tmp_path / "b")
    server.files["/ISIC_2019_Training_Metadata.csv"].faults = [Fault(cut_after=20)]
    with pytest.raises(DownloadError, match=r"Metadata\.csv: its SHA-256 is .* It was removed"):
        fetch_dataset(known, tmp_path / "c")


def test_files_of_the_user_are_not_replaced(serve: Serve, server: FileServer, tmp_path: Path) -> None:
    dataset, name = serve("isic2019"), "ISIC_2019_Training_Metadata.csv"
    (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError, match=rf"{name} exists, .*; move it, or replace it with --force"):
        fetch_dataset(dataset, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert server.requests == []
    fetch_dataset(dataset, tmp_path, force=True)
    assert (tmp_path / name).read_bytes() == server.files[f"/{name}"].content


def test_a_file_that_was_there_is_used_if_its_checksum_is_right(
    serve: Serve, server: FileServer, tmp_path: Path
) -> None:
    name = "ISIC_2019_Training_Metadata.csv"
    content = server.files.get(f"/{name}", Served()).content
    dataset = serve("isic2019")
    content = server.files[f"/{name}"].content
    (tmp_path / name).write_bytes(content)
    record = fetch_dataset(checked(dataset, name, md5=hashlib.md5(content).hexdigest()), tmp_path)  # noqa: S324
    assert record.files[name].verified == "MD5"
    assert server.ranges(f"/{name}") == []


def test_a_table_of_the_user_is_not_replaced_by_that_of_an_archive(serve: Serve, tmp_path: Path) -> None:
    dataset, table = serve("isic2018"), tmp_path / "ISIC2018_Task3_Training_GroundTruth.csv"
    table.write_text("mine")
    with pytest.raises(UsageError, match=r"GroundTruth\.csv exists and differs from that in .*GroundTruth\.zip"):
        fetch_dataset(dataset, tmp_path)
    assert table.read_text() == "mine"
    fetch_dataset(dataset, tmp_path, force=True)
    assert table.read_text().startswith("image,MEL")


def test_a_folder_holds_one_dataset(serve: Serve, tmp_path: Path) -> None:
    fetch_dataset(serve("milk10k"), tmp_path)
    with pytest.raises(UsageError, match="holds the dataset milk10k; choose another --out"):
        fetch_dataset(serve("pad-ufes-20"), tmp_path)
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(DataError, match=r"dataset\.json: not a record of a download"):
        fetch_dataset(serve("milk10k"), tmp_path)
    with pytest.raises(UsageError, match="is a file; choose another --out"):
        fetch_dataset(serve("milk10k"), tmp_path / "dataset.json")


def test_space_is_checked_before_the_first_file(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=10**9))
    with pytest.raises(LesionlabError, match=r"24\.7 GB are needed, 1\.0 GB are free"):
        fetch_dataset(find_dataset("isic2020"), tmp_path / "new" / "folder")
    assert list(tmp_path.iterdir()) == []


def test_ph2_has_to_be_requested(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"PH2 is behind a form: request it at https://.* PH2_dataset\.txt .* in .*ph2$"
    ):
        fetch_dataset(find_dataset("PH2"), tmp_path / "ph2")
    assert list(tmp_path.iterdir()) == []


def test_names_are_suggested() -> None:
    with pytest.raises(UsageError, match=r"no dataset 'HAM1000'; did you mean ham10000\?"):
        find_dataset("HAM1000")


def test_the_datasets_have_https_sources_licences_and_citations() -> None:
    for dataset in datasets().values():
        assert dataset.citation
        assert dataset.license_url.startswith("https://")
        assert len({file.name for file in dataset.files}) == len(dataset.files)
        for file in dataset.files:
            assert dataset.url(file).startswith("https://")
            assert Path(file.name).name == file.name


@pytest.mark.parametrize(("size", "text"), [(999, "999 bytes"), (1000, "1 kB"), (999_900, "1 MB"), (2.77e9, "2.8 GB")])
def test_sizes_in_words(size: float, text: str) -> None:
    assert size_text(size) == text
