"""What is known of the datasets that models are made from, beyond what a bundle counts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DatasetFacts:
    """A dataset in the words of a model card.

    Attributes:
        title: Its name.
        description: What it is and where it comes from.
        truth: How the diagnoses were made.
        limits: What a model that is made from it cannot know, one sentence or two each.
        reference: Where it is published; empty if it is not.
    """

    title: str
    description: str
    truth: str
    limits: tuple[str, ...]
    reference: str = ""


# By the name that images of it carry as their source.
DATASETS: dict[str, DatasetFacts] = {
    "ham10000": DatasetFacts(
        title="HAM10000",
        description=(
            "Dermoscopic images of pigmented skin lesions from two sites: a university clinic in Vienna, Austria, and "
            "a skin cancer practice in Queensland, Australia. They were collected over about twenty years, with "
            "several cameras. The whole dataset has 10,015 images of 7,470 lesions. It is public, under CC BY-NC 4.0."
        ),
        truth=(
            "Diagnoses were made in one of four ways: histopathology, follow-up, consensus of experts, or confocal "
            "microscopy (`dx_type`). Histopathology is the strongest truth. Which way was taken depends on the "
            "diagnosis: every malignant lesion was confirmed by histopathology, and all that was followed up are nevi."
        ),
        limits=(
            "Two sites only. Other cameras, clinics and countries were never seen.",
            "Mostly light skin. There is no label of skin tone: what the model is worth on darker skin is not known.",
            "Lesions that specialists chose to photograph. Malignant ones are more frequent than in screening.",
            "Patients are not identified. Two lesions of one patient may stand on both sides of the split.",
        ),
        reference=(
            "Tschandl, P., Rosendahl, C. & Kittler, H. The HAM10000 dataset, a large collection of multi-source "
            "dermatoscopic images of common pigmented skin lesions. Sci. Data 5, 180161 (2018). "
            "doi:10.1038/sdata.2018.161"
        ),
    ),
    "phantom": DatasetFacts(
        title="lesionlab's phantoms",
        description="Synthetic images, drawn by `lesionlab demo`. They show no patient.",
        truth="The diagnosis is what was drawn.",
        limits=("The images are synthetic. What is measured on them says nothing about real lesions.",),
    ),
}
