"""The diagnoses, the tasks made of them, and how datasets spell them.

Source of the seven classes: Tschandl et al., Sci. Data 5, 180161 (2018). The column order of the ISIC 2018 task 3
submission format is MEL, NV, BCC, AKIEC, BKL, DF, VASC. `OTHER_DIAGNOSES` are the classes of MILK10k beside them.
"""

from lesionlab.taxonomy.diagnoses import (
    BY_CODE,
    CODES,
    DIAGNOSES,
    MALIGNANT,
    OTHER_DIAGNOSES,
    Diagnosis,
    OtherDiagnosis,
    Risk,
    Target,
    is_of_target,
)
from lesionlab.taxonomy.spellings import parse_diagnosis
from lesionlab.taxonomy.tasks import COARSE, DIAGNOSIS, LABELS, TASKS, Task, coarser_labels, label_name

__all__ = [
    "BY_CODE",
    "COARSE",
    "CODES",
    "DIAGNOSES",
    "DIAGNOSIS",
    "LABELS",
    "MALIGNANT",
    "OTHER_DIAGNOSES",
    "TASKS",
    "Diagnosis",
    "OtherDiagnosis",
    "Risk",
    "Target",
    "Task",
    "coarser_labels",
    "is_of_target",
    "label_name",
    "parse_diagnosis",
]
