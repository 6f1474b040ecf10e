"""Public datasets are read from small copies of their layouts, with nothing but the folder given."""

import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from lesionlab.data import read_dataset, shrink_images, write_small_images
from lesionlab.data.dataset import scan_dataset
from lesionlab.data.scan import ProblemKind, Scan
from lesionlab.errors import DataError

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a text file below the dataset's folder."""

    def write_file(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    return write_file


@pytest.fixture
def images(tmp_path: Path, make_jpeg: Callable[..., bytes]) -> Callable[[str, Iterable[str]], None]:
    """Write different images into a folder."""
    shades = iter(range(1000))

    def write_images(folder: str, names: Iterable[str]) -> None:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            (tmp_path / folder / name).write_bytes(make_jpeg(next(shades)))

    return write_images


Images = Callable[[str, Iterable[str]], None]


def labels(scan: Scan) -> dict[str, str]:
    return {record.image_id: record.diagnosis for record in scan.records}


def kinds(scan: Scan) -> dict[ProblemKind, int]:
    return Counter(problem.kind for problem in scan.problems)


def test_isic_2016_has_no_column_names(tmp_path: Path, write: Write, images: Images) -> None:
    write("ISBI2016_ISIC_Part3_Training_GroundTruth.csv", "ISIC_0,benign\nISIC_1,malignant\n")
    write("ISBI2016_ISIC_Part3_Test_GroundTruth.csv", "ISIC_2,0.0\nISIC_3,1.0\n")
    images("ISBI2016_ISIC_Part3_Training_Data", ("ISIC_0.jpg", "ISIC_1.jpg"))
    images("ISBI2016_ISIC_Part3_Test_Data", ("ISIC_2.jpg", "ISIC_3.jpg"))
    scan = scan_dataset(tmp_path)
    assert scan.layout == "ISIC 2016"
    assert not scan.problems
    assert labels(scan) == {"ISIC_0": "benign", "ISIC_1": "malignant", "ISIC_2": "benign", "ISIC_3": "malignant"}
    assert [record.subset for record in scan.records].count("test") == 2


def test_isic_2017_has_three_classes_and_superpixels(tmp_path: Path, write: Write, images: Images) -> None:
    truth = "image_id,melanoma,seborrheic_keratosis\nISIC_0,1.0,0.0\nISIC_1,0.0,1.0\nISIC_2,0.0,0.0\n"
    write("ISIC-2017_Training_Part3_GroundTruth.csv", truth)
    write("ISIC-2017_Training_Data_metadata.csv", "image_id,age_approximate,sex\nISIC_0,55,female\nISIC_9,20,male\n")
    images("ISIC-2017_Training_Data", ("ISIC_0.jpg", "ISIC_1.jpg", "ISIC_2.jpg", "ISIC_0_superpixels.png"))
    scan = scan_dataset(tmp_path)
    assert scan.layout == "ISIC 2017"
    assert labels(scan) == {"ISIC_0": "mel", "ISIC_1": "bkl", "ISIC_2": "nv"}
    assert scan.records[0].age == 55
    assert [(problem.kind, problem.detail) for problem in scan.problems] == [
        (ProblemKind.UNMATCHED_ROWS, "1 of 2 rows belong to no image of the dataset")
    ]


def test_isic_2018_is_joined_with_its_lesion_groupings(tmp_path: Path, write: Write, images: Images) -> None:
    header, zeros = "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\n", ",0.0,0.0,0.0,0.0,0.0\n"
    folder = "ISIC2018_Task3_Training_GroundTruth"
    write(f"{folder}/{folder}.csv", f"{header}ISIC_0,1.0,0.0{zeros}ISIC_1,0.0,1.0{zeros}")
    groups = "ISIC_0,L0,histopathology\nISIC_1,L1,serial imaging showing no change\n"
    write("ISIC2018_Task3_Training_LesionGroupings.csv", f"image,lesion_id,diagnosis_confirm_type\n{groups}")
    images("ISIC2018_Task3_Training_Input", ("ISIC_0.jpg", "ISIC_1.jpg"))
    images("ISIC2018_Task1-2_Training_Input", ("ISIC_0.jpg", "ISIC_7.jpg"))
    write("ISIC2018_Task3_Test_GroundTruth.csv", f"{header}ISIC_2,1.0,0.0{zeros}")
    images("ISIC2018_Task3_Test_Input", ("ISIC_2.jpg",))
    manifest = read_dataset(tmp_path)
    assert [(r.diagnosis, r.lesion_id, r.dx_type, r.source) for r in manifest] == [
        ("mel", "L0", "histo", "isic2018"),
        ("nv", "L1", "follow_up", "isic2018"),
        ("mel", "ISIC_2", None, "isic2018"),
    ]
    assert [record.subset for record in manifest] == ["train", "train", "test"]
    assert not scan_dataset(tmp_path).problems


def test_isic_2019_has_classes_beside_the_seven(tmp_path: Path, write: Write, images: Images) -> None:
    header = "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\n"
    rows = [f"ISIC_{n}," + ",".join("1.0" if n == m else "0.0" for m in range(9)) for n in range(9)]
    write("ISIC_2019_Training_GroundTruth.csv", header + "\n".join(rows) + "\n")
    metadata = "".join(f"ISIC_{n},55,anterior torso,L{n},female\n" for n in range(9))
    write("ISIC_2019_Training_Metadata.csv", f"image,age_approx,anatom_site_general,lesion_id,sex\n{metadata}")
    images("ISIC_2019_Training_Input", (f"ISIC_{n}.jpg" for n in range(9)))
    manifest = read_dataset(tmp_path)
    codes = ["mel", "nv", "bcc", "akiec", "bkl", "df", "vasc", "scc", "unk"]
    assert [record.diagnosis for record in manifest] == codes
    assert manifest.records[3].label == "AK"
    assert (manifest.lesion_count, manifest.lesions_known) == (9, True)
    assert manifest.records[0].site == "anterior torso"


def test_isic_2020_states_diagnosis_and_malignancy(tmp_path: Path, write: Write, images: Images) -> None:
    header = "image_name,patient_id,sex,age_approx,anatom_site_general_challenge,diagnosis,benign_malignant,target\n"
    rows = (
        "ISIC_0,IP_1,male,45,head/neck,melanoma,malignant,1\n"
        "ISIC_1,IP_1,female,45,upper extremity,unknown,benign,0\n"
        "ISIC_2,IP_2,female,45,torso,lentigo NOS,benign,0\n"
        "ISIC_3,IP_3,female,45,torso,atypical melanocytic proliferation,benign,0\n"
        "ISIC_4,IP_4,female,45,torso,nevus,malignant,1\n"
    )
    write("ISIC_2020_Training_GroundTruth.csv", header + rows)
    images("train", (f"ISIC_{n}.jpg" for n in range(5)))
    scan = scan_dataset(tmp_path)
    assert scan.layout == "ISIC 2020; without lesion ids, images are grouped by patient"
    assert list(labels(scan).values()) == ["mel", "benign", "ben_oth", "benign", "nv"]
    assert [record.lesion_id for record in scan.records] == ["IP_1", "IP_1", "IP_2", "IP_3", "IP_4"]
    assert [record.labelled_id for record in scan.records] == [f"ISIC_{n}" for n in range(5)]
    assert [record.label for record in scan.records[1:4]] == [None, "lentigo NOS", "atypical melanocytic proliferation"]
    assert kinds(scan) == {ProblemKind.CONTRADICTION: 1}


def test_isic_2024_is_read_as_kaggle_and_the_challenge_distribute_it(
    tmp_path: Path, write: Write, images: Images
) -> None:
    header = "isic_id,target,patient_id,age_approx,sex,anatom_site_general,image_type,attribution,lesion_id"
    rows = (
        "ISIC_0,0,IP_1,60,male,torso,TBP tile: close-up,Clinic A,,Benign,Benign,,,,\n"
        "ISIC_1,1,IP_2,60,male,torso,TBP tile: close-up,Clinic A,IL_1,x,Malignant,"
        'Malignant epidermal proliferations,"Squamous cell carcinoma, Invasive",,\n'
    )
    write("train-metadata.csv", f"{header},iddx_full,iddx_1,iddx_2,iddx_3,iddx_4,iddx_5\n{rows}")
    images("train-image/image", ("ISIC_0.jpg", "ISIC_1.jpg"))
    assert [(r.diagnosis, r.lesion_id) for r in read_dataset(tmp_path)] == [("benign", "IP_1"), ("scc", "IL_1")]
    (tmp_path / "train-metadata.csv").unlink()
    write("ISIC_2024_Training_GroundTruth.csv", "isic_id,malignant\nISIC_0,0.0\nISIC_1,1.0\n")
    write("ISIC_2024_Training_Input/metadata.csv", f"{header.replace('target,', '')}\nISIC_0,IP_1,60,male,,,A,\n")
    assert [(r.diagnosis, r.age) for r in read_dataset(tmp_path)] == [("benign", 60), ("malignant", None)]


def test_milk10k_has_pairs_of_images_and_eleven_classes(tmp_path: Path, write: Write, images: Images) -> None:
    classes = ("AKIEC", "BCC", "BEN_OTH", "BKL", "DF", "INF", "MAL_OTH", "MEL", "NV", "SCCKA", "VASC")
    truth = [f"IL_{n:02}," + ",".join("1.0" if n == m else "0.0" for m in range(11)) for n in range(11)]
    write("MILK10k_Training_GroundTruth.csv", f"lesion_id,{','.join(classes)}\n" + "\n".join(truth) + "\n")
    metadata, supplement = "lesion_id,image_type,isic_id,site\n", "isic_id,diagnosis_full,diagnosis_confirm_type\n"
    for n in range(11):
        metadata += f"IL_{n:02},clinical: close-up,ISIC_C{n:02},trunk\nIL_{n:02},dermoscopic,ISIC_D{n:02},trunk\n"
        supplement += f'ISIC_C{n:02},"Name, {n}",histopathology\nISIC_D{n:02},"Name, {n}",histopathology\n'
        images(f"MILK10k_Training_Input/IL_{n:02}", (f"ISIC_C{n:02}.jpg", f"ISIC_D{n:02}.jpg"))
    write("MILK10k_Training_Metadata.csv", metadata)
    write("MILK10k_Training_Supplement.csv", supplement)
    scan = scan_dataset(tmp_path)
    expected = ["akiec", "bcc", "ben_oth", "bkl", "df", "inf", "mal_oth", "mel", "nv", "scc", "vasc"]
    assert [record.diagnosis for record in scan.records] == expected
    assert {record.image_type for record in scan.records} == {"dermoscopic"}
    assert (scan.records[2].label, scan.records[2].dx_type, scan.lesions_known) == ("Name, 2", "histo", True)
    assert kinds(scan) == {ProblemKind.OTHER_IMAGE_TYPE: 11}
    clinical, both = (read_dataset(tmp_path, image_type=kind) for kind in ("clinical", "all"))
    assert {record.image_id for record in clinical} == {f"ISIC_C{n:02}" for n in range(11)}
    assert {record.lesion_id for record in clinical} == {record.lesion_id for record in scan.records}
    assert len(both) == 22
    manifest = scan.manifest()
    manifest.save(tmp_path / "manifest.csv")
    assert read_dataset(tmp_path) == manifest
    with pytest.raises(DataError, match="there is no clinical image; the types are dermoscopic"):
        read_dataset(tmp_path, image_type="clinical")


def test_the_isic_archive_states_diagnoses_by_level(tmp_path: Path, write: Write, images: Images) -> None:
    header = "isic_id,diagnosis_1,diagnosis_2,diagnosis_3,diagnosis_4,diagnosis_confirm_type,image_type,lesion_id\n"
    rows = (
        "ISIC_0,Malignant,Malignant melanocytic proliferations (Melanoma),"
        '"Melanoma, NOS",,histopathology,dermoscopic,L0\n'
        'ISIC_1,Benign,Benign melanocytic proliferations,Nevus,"Nevus, Spitz",,dermoscopic,L1\n'
        "ISIC_2,Indeterminate,Indeterminate epidermal proliferations,Solar or actinic keratosis,,,dermoscopic,L2\n"
        "ISIC_3,Benign,Benign soft tissue proliferations - Adipocytic,Lipoma,,,dermoscopic,L3\n"
        "ISIC_4,Malignant,Lymphocytic proliferations - B-Cell,Some lymphoma,,,dermoscopic,L4\n"
        "ISIC_5,Benign,,,,single image expert consensus,dermoscopic,L5\n"
        "ISIC_6,Indeterminate,Indeterminate melanocytic proliferations,,,,dermoscopic,L6\n"
        "ISIC_7,Benign,Benign melanocytic proliferations,Nevus,,,clinical: overview,L7\n"
    )
    write("metadata.csv", header + rows)
    images(".", (f"ISIC_{n}.jpg" for n in range(8)))
    scan = scan_dataset(tmp_path)
    assert scan.layout == "ISIC archive"
    assert list(labels(scan).values()) == ["mel", "nv", "akiec", "ben_oth", "mal_oth", "benign", "unk"]
    assert [scan.records[n].label for n in (1, 3)] == ["Nevus, Spitz", "Lipoma"]
    assert [scan.records[n].dx_type for n in (0, 5)] == ["histo", "consensus"]
    assert kinds(scan) == {ProblemKind.OTHER_IMAGE_TYPE: 1, ProblemKind.KEPT_DIAGNOSIS: 2}
    assert "'Lipoma' as ben_oth" in {problem.detail for problem in scan.problems}


def test_ph2_is_read_without_its_masks(tmp_path: Path, write: Write, images: Images) -> None:
    table = (
        "||   Name || Histological Diagnosis || Clinical Diagnosis|| Asymmetry|Pigment Network || Colors   ||\n"
        "|| IMD003 ||                        ||                  0 ||         0 |   T |  A      || 4         ||\n"
        "|| IMD004 || melanoma               ||                  2 ||         1 |   AT|  P      || 4         ||\n"
        "|| IMD005 ||                        ||                  1 ||         1 |   AT|  P      || 4         ||\n"
        "\nLegends:\n\nClinical Diagnosis:\n0 - Common Nevus\n"
    )
    write("PH2_dataset.txt", table)
    for name in ("IMD003", "IMD004", "IMD005"):
        images(f"PH2 Dataset images/{name}/{name}_Dermoscopic_Image", (f"{name}.bmp",))
        images(f"PH2 Dataset images/{name}/{name}_lesion", (f"{name}_lesion.bmp",))
    scan = scan_dataset(tmp_path)
    assert not scan.problems
    assert [(r.diagnosis, r.label, r.dx_type, r.image_type) for r in scan.records] == [
        ("nv", "Common nevus", None, "dermoscopic"),
        ("mel", None, "histo", "dermoscopic"),
        ("nv", "Atypical nevus", None, "dermoscopic"),
    ]


def test_pad_ufes_20_is_clinical(tmp_path: Path, write: Write, images: Images) -> None:
    names = [f"PAT_{n}_1{n}_2.png" for n in range(6)]
    header = "patient_id,lesion_id,age,gender,fitspatrick,region,diagnostic,img_id,biopsed\n"
    texts = ("ACK", "BCC", "MEL", "NEV", "SCC", "SEK")
    rows = [f"PAT_{n},1{n},55,FEMALE,2.0,ARM,{texts[n]},{name},{n == 1}\n" for n, name in enumerate(names)]
    write("metadata.csv", header + "".join(rows))
    images("images/imgs_part_1", names)
    manifest = read_dataset(tmp_path)
    assert [record.diagnosis for record in manifest] == ["akiec", "bcc", "mel", "nv", "scc", "bkl"]
    first, second = manifest.records[:2]
    assert (first.sex, first.site, first.skin_tone, first.image_type) == ("female", "ARM", "2.0", "clinical")
    assert (first.dx_type, second.dx_type, manifest.lesions_known) == (None, "histo", True)


def test_derm7pt_has_two_images_in_a_row(tmp_path: Path, write: Write, images: Images) -> None:
    header = "case_num,diagnosis,seven_point_score,location,sex,clinic,derm\n"
    rows = (
        "1,melanoma (less than 0.76 mm),5,back,male,NEL/NEL001.jpg,NEL/NEL002.jpg\n"
        "2,clark nevus,1,back,female,A/001.jpg,A/002.jpg\n"
        "3,melanosis,1,back,female,,B/002.jpg\n"
    )
    write("meta/meta.csv", header + rows)
    for folder, names in (("NEL", ("NEL001.jpg", "NEL002.jpg")), ("A", ("001.jpg", "002.jpg")), ("B", ("002.jpg",))):
        images(f"images/{folder}", names)
    scan = scan_dataset(tmp_path)
    assert labels(scan) == {"NEL002": "mel", "A/002": "nv", "B/002": "ben_oth"}
    assert [record.path for record in scan.records] == ["images/NEL/NEL002.jpg", "images/A/002.jpg", "images/B/002.jpg"]
    assert [record.lesion_id for record in scan.records] == ["1", "2", "3"]
    assert kinds(scan) == {ProblemKind.OTHER_IMAGE_TYPE: 2}


def test_bcn20000_is_recognised(tmp_path: Path, write: Write, images: Images) -> None:
    header = "bcn_filename,age_approx,anatom_site_general,diagnosis,lesion_id,capture_date,sex,split\n"
    write("bcn_20k_train.csv", f"{header}BCN_1.jpg,55.0,anterior torso,SCC,BCN_3,2012-05-16,male,train\n")
    images("BCN_20k_train/bcn_20k_train", ("BCN_1.jpg",))
    (record,) = read_dataset(tmp_path)
    assert (record.image_id, record.diagnosis, record.lesion_id, record.subset) == ("BCN_1", "scc", "BCN_3", "train")


def test_a_hugging_face_image_folder_states_paths(tmp_path: Path, write: Write, images: Images) -> None:
    write("train/metadata.csv", "file_name,label\n1.jpg,benign_keratosis-like_lesions\nmore/2.jpg,melanoma\n")
    write("test/metadata.csv", "file_name,label\n1.jpg,nevus\n")
    images("train", ("1.jpg",))
    images("train/more", ("2.jpg",))
    images("test", ("1.jpg",))
    scan = scan_dataset(tmp_path)
    assert scan.layout == "Hugging Face image folder"
    assert {record.path: (record.diagnosis, record.subset) for record in scan.records} == {
        "train/1.jpg": ("bkl", "train"),
        "train/more/2.jpg": ("mel", "train"),
        "test/1.jpg": ("nv", "test"),
    }


def test_a_hugging_face_image_folder_states_json(tmp_path: Path, write: Write, images: Images) -> None:
    write(
        "metadata.jsonl", '{"file_name": "a.jpg", "label": "nevus"}\n{"file_name": "b.jpg", "label": "AK", "age": 5}\n'
    )
    images(".", ("a.jpg", "b.jpg"))
    assert [(record.diagnosis, record.age) for record in read_dataset(tmp_path)] == [("nv", None), ("akiec", 5)]
    write("metadata.jsonl", '{"file_name": "a.jpg", "label": "nevus"}\n[1]\n')
    with pytest.raises(DataError, match=r"metadata\.jsonl: row 2 is not a JSON object"):
        read_dataset(tmp_path)


def test_a_dataset_in_the_only_folder_is_found(tmp_path: Path, write: Write, images: Images) -> None:
    write("archive/data/metadata.csv", "isic_id,diagnosis_3\nISIC_0,Nevus\n")
    images("archive/data/images", ("ISIC_0.jpg",))
    (record,) = read_dataset(tmp_path)
    assert (record.diagnosis, record.path) == ("nv", "archive/data/images/ISIC_0.jpg")


def test_a_folder_that_holds_itself_is_no_dataset(tmp_path: Path) -> None:
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(DataError, match="no image was found"):
        read_dataset(tmp_path)


def test_class_folders_in_an_archive_are_read(tmp_path: Path, make_jpeg: Callable[..., bytes]) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for number, folder in enumerate(("train/1. Melanoma", "train/2. Nevus")):
            archive.writestr(f"photos/{folder}/1.jpg", make_jpeg(number))
    assert [(record.diagnosis, record.subset) for record in read_dataset(tmp_path)] == [
        ("mel", "train"),
        ("nv", "train"),
    ]


def test_a_folder_with_a_pixel_table_names_the_import(tmp_path: Path) -> None:
    (tmp_path / "dermamnist.npz").write_bytes(b"")
    with pytest.raises(DataError, match=r"read dermamnist\.npz with 'lesionlab data import-hmnist'"):
        read_dataset(tmp_path)


def test_paths_identify_numbered_files_in_class_folders(tmp_path: Path, images: Images) -> None:
    images("mel", ("1.jpg", "2.jpg"))
    images("nv", ("1.jpg", "2.jpg", "ISIC_0024306.jpg"))
    images("bkl", ("ISIC_0024307.jpg",))
    manifest = read_dataset(tmp_path)
    assert [record.image_id for record in manifest] == [
        "ISIC_0024306",
        "ISIC_0024307",
        "mel/1",
        "mel/2",
        "nv/1",
        "nv/2",
    ]


def test_ids_that_are_paths_survive_saving(tmp_path: Path, images: Images) -> None:
    images("data/mel", ("1.jpg", "1.png"))
    images("data/nv", ("1.jpg",))
    manifest = read_dataset(tmp_path / "data")
    assert [record.image_id for record in manifest] == ["mel/1", "mel/1_png", "nv/1"]
    manifest.save(tmp_path / "data" / "manifest.csv")
    assert read_dataset(tmp_path / "data") == manifest
    small = write_small_images(tmp_path / "out", manifest, shrink_images(manifest, 32), lesions_known=False)
    assert [record.path for record in small] == ["images/mel/1.png", "images/mel/1_png.png", "images/nv/1.png"]
    assert read_dataset(tmp_path / "out") == small
    (outside,) = (replace(record, image_id="../1") for record in manifest.records[:1])
    with pytest.raises(DataError, match="not a valid file name"):
        write_small_images(tmp_path / "bad", [outside], shrink_images(manifest, 32)[:1], lesions_known=False)


def test_subsets_above_class_folders_are_kept(tmp_path: Path, images: Images) -> None:
    images("data/Train/actinic keratosis", ("1.jpg", "ISIC_0024306.jpg"))
    images("data/Train/pigmented benign keratosis", ("1.jpg",))
    images("data/val/melanoma", ("1.jpg",))
    images("data/Test/melanoma", ("1.jpg", "ISIC_0024306.jpg"))
    scan = scan_dataset(tmp_path)
    assert scan.layout == "folder per diagnosis"
    assert Counter((record.subset, record.diagnosis) for record in scan.records) == {
        ("train", "akiec"): 2,
        ("train", "bkl"): 1,
        ("validation", "mel"): 1,
        ("test", "mel"): 2,
    }
    # One identifying name in two folders is one lesion, so that a split does not divide it.
    assert len({record.lesion_id for record in scan.records if "ISIC" in record.image_id}) == 1


def test_one_table_in_the_folder_is_read(tmp_path: Path, write: Write, images: Images) -> None:
    write("labels.csv", "image,melanoma\na,0\nb,1\n")
    images("photos", ("a.jpg", "b.jpg"))
    assert [record.diagnosis for record in read_dataset(tmp_path)] == ["other", "mel"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("image,diagnosis\na,mel\n", "several metadata tables"),
        ("lesion_id,site\nL1,back\n", "no column of the image or the lesion to join it"),
    ],
)
def test_tables_that_do_not_fit_are_an_error(
    tmp_path: Path, write: Write, images: Images, table: str, message: str
) -> None:
    write("ISIC_2019_Training_GroundTruth.csv", "image,MEL,NV\na,1,0\n")
    name = "ISIC_2019_Training2_GroundTruth.csv" if "several" in message else "ISIC_2019_Training_Metadata.csv"
    write(name.replace("Training2", "Train"), table)
    images(".", ("a.jpg",))
    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path)


def test_further_tables_are_joined_in_any_order(tmp_path: Path, write: Write, images: Images) -> None:
    write("truth.csv", "lesion_id,MEL,NV\nL0,1.0,0.0\nL1,0.0,1.0\n")
    write("meta.csv", "image,lesion_id\na,L0\nb.jpg,L1\n")
    write("more.csv", "image,age_approx\na.jpg,50\nc,60\n")
    images("photos", ("a.jpg", "b.jpg"))
    tables = [tmp_path / name for name in ("truth.csv", "meta.csv", "more.csv")]
    for order in (tables, tables[::-1]):
        scan = scan_dataset(tmp_path, metadata=order)
        assert {(r.image_id, r.lesion_id, r.diagnosis, r.age) for r in scan.records} == {
            ("a", "L0", "mel", 50),
            ("b", "L1", "nv", None),
        }
        assert [problem.where for problem in scan.problems] == ["more.csv"]


def test_a_lesion_twice_in_a_joined_table_is_an_error(tmp_path: Path, write: Write, images: Images) -> None:
    write("images.csv", "image,lesion_id\na,L0\n")
    write("truth.csv", "lesion_id,diagnosis\nL0,mel\nL0,nv\n")
    images("photos", ("a.jpg",))
    with pytest.raises(DataError, match=r"truth\.csv line 3: a second row for lesion_id L0"):
        scan_dataset(tmp_path, metadata=[tmp_path / "images.csv", tmp_path / "truth.csv"])


def test_contradictions_of_joined_tables_are_counted(tmp_path: Path, write: Write, images: Images) -> None:
    write("images.csv", "image,dx,age,sex\na,mel,50,\nb,nv,60,male\n")
    write("more.csv", "image,age,sex\na.jpg,50.0,female\nb,61,female\n,70,male\n")
    images("photos", ("a.jpg", "b.jpg"))
    scan = scan_dataset(tmp_path, metadata=[tmp_path / "images.csv", tmp_path / "more.csv"])
    assert [(record.age, record.sex) for record in scan.records] == [(50, "female"), (60, "male")]
    assert [str(problem) for problem in scan.problems] == [
        "more.csv: 1 of 3 rows belong to no image of the dataset",
        "more.csv: 2 values differ from those of the first table, which are used: b has '60' and '61'",
    ]


def test_a_given_table_of_other_images_is_an_error(tmp_path: Path, write: Write, images: Images) -> None:
    write("images.csv", "image,dx\na,mel\n")
    write("more.csv", "image,age\nz,50\n")
    images("photos", ("a.jpg",))
    with pytest.raises(DataError, match=r"more\.csv: no row belongs to an image of the dataset"):
        scan_dataset(tmp_path, metadata=[tmp_path / "images.csv", tmp_path / "more.csv"])


def test_diagnoses_of_unknown_spelling_are_kept_on_request(tmp_path: Path, write: Write, images: Images) -> None:
    write("labels.csv", "image,diagnosis\na,wart\nb,nevus\nc,\n")
    images("photos", ("a.jpg", "b.jpg", "c.jpg"))
    assert kinds(scan_dataset(tmp_path)) == {ProblemKind.UNKNOWN_DIAGNOSIS: 2}
    scan = scan_dataset(tmp_path, unknown="keep")
    assert labels(scan) == {"a": "unk", "b": "nv"}
    assert scan.records[0].label == "wart"
    assert kinds(scan) == {ProblemKind.KEPT_DIAGNOSIS: 1, ProblemKind.UNKNOWN_DIAGNOSIS: 1}


def test_class_folders_of_unknown_name_are_kept_on_request(tmp_path: Path, images: Images) -> None:
    images("mel", ("a.jpg",))
    images("warts", ("b.jpg",))
    scan = scan_dataset(tmp_path, unknown="keep")
    assert [(record.diagnosis, record.label) for record in scan.records] == [("mel", None), ("unk", "warts")]
    assert kinds(scan) == {ProblemKind.KEPT_DIAGNOSIS: 1}
