"""Label sets: classes first, then what coarser labels allow."""

import numpy as np

from lesionlab.taxonomy import LABELS, TASKS
from lesionlab.training.labels import LabelSets


def test_without_coarser_labels_every_set_is_a_class() -> None:
    task = TASKS["diagnosis"]
    sets = LabelSets.of(task, task.classes)
    np.testing.assert_array_equal(sets.members, np.eye(7))
    assert sets.index == {code: number for number, code in enumerate(task.classes)}


def test_a_coarser_label_allows_the_classes_of_its_kind() -> None:
    for task in TASKS.values():
        sets = LabelSets.of(task)
        np.testing.assert_array_equal(sets.members[: len(task.classes)], np.eye(len(task.classes)))
        for label in LABELS:
            allowed = task.compatible(label)
            if 0 < len(allowed) < len(task.classes):
                assert tuple(np.flatnonzero(sets.members[sets.index[label]])) == allowed
            else:
                assert label not in sets.index
    sets = LabelSets.of(TASKS["diagnosis"], ["nv", "benign", "other", "unk"])
    classes = TASKS["diagnosis"].classes
    assert {classes[i] for i in np.flatnonzero(sets.members[sets.index["benign"]])} == {"nv", "bkl", "df", "vasc"}
    assert {classes[i] for i in np.flatnonzero(sets.members[sets.index["other"]])} == set(classes) - {"mel"}
    assert "unk" not in sets.index
