"""The next lesion of a large queue."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lesionlab.bundle import Bundle
from lesionlab.data import Manifest
from lesionlab.labelling.lesions import LesionSet
from lesionlab.labelling.queue import Queue, open_labelling
from lesionlab.labelling.server import LabelService, Posted
from lesionlab.labelling.store import LabelStore

LESIONS = 10_000


@pytest.mark.slow
def test_next_of_ten_thousand_lesions_takes_less_than_100_ms(
    phantoms: Manifest, tiny_whole_bundle: Path, tmp_path: Path
) -> None:
    few = LesionSet.of(phantoms, Bundle.load(tiny_whole_bundle))
    copies = -(-LESIONS // len(few.ids))
    ids = tuple(f"{lesion}-{copy}" for copy in range(copies) for lesion in few.ids)[:LESIONS]
    many = replace(
        few,
        ids=ids,
        images={lesion: few.images[lesion.rpartition("-")[0]] for lesion in ids},
        features=np.tile(few.features, (copies, 1))[:LESIONS],
        components=np.tile(few.components, (copies, 1))[:LESIONS],
        probabilities=np.tile(few.probabilities, (copies, 1))[:LESIONS],
    )
    with LabelStore(tmp_path / "labels.sqlite") as store:
        open_labelling(store, many.manifest)
        service = LabelService(Queue(many, store, "margin", LESIONS))
        service.next("Anna")  # chooses the batch
        seconds = []
        for number in range(200):
            began = time.process_time()  # of this process: other processes have no part in it
            view = service.next("Anna")["view"]
            posted = Posted(id=f"e{number}", kind="answered", reader="Anna", lesion=view["lesion"], diagnosis="nv")
            service.post(posted)
            seconds.append(time.process_time() - began)
        assert float(np.median(seconds)) < 0.1
