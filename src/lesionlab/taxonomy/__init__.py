"""The diagnoses, the tasks made of them, and how datasets spell them.

Sources: the seven diagnoses of HAM10000, Tschandl et al., Sci. Data 5, 180161 (2018); the eleven of MILK10k, which adds
squamous cell carcinoma, other malignant and other benign lesions, and inflammatory diseases.
"""

from lesionlab.taxonomy.diagnoses import (
    BY_CODE,
    COARSE,
    CODES,
    DIAGNOSES,
    LABELS,
    Diagnosis,
    Risk,
    Target,
    diagnoses_of,
    is_of_target,
    label_name,
)
from lesionlab.taxonomy.spellings import parse_diagnosis
from lesionlab.taxonomy.tasks import DIAGNOSIS, DIAGNOSIS_11, TASKS, Task, TaskName, task_of_diagnoses

__all__ = [
    "BY_CODE",
    "COARSE",
    "CODES",
    "DIAGNOSES",
    "DIAGNOSIS",
    "DIAGNOSIS_11",
    "LABELS",
    "TASKS",
    "Diagnosis",
    "Risk",
    "Target",
    "Task",
    "TaskName",
    "diagnoses_of",
    "is_of_target",
    "label_name",
    "parse_diagnosis",
    "task_of_diagnoses",
]
