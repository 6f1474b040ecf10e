"""The weights of the page, rounded to 16 bits, under the acceptance criteria of converted models.

    python benchmarks/page_weights.py --data FOLDER [--model BUNDLE] [--out FILE]

FOLDER is a dataset that the model was trained on; the images are those of its validation subset, which is recovered.
The browser computes with the rounded weights in 32 bits, as here. `decisions changed` are images on the other side of a
threshold.
"""

from dataclasses import replace

import numpy as np
from common import command, environment, options, write
from own_split import own_split

from lesionlab.bundle import Bundle
from lesionlab.cpu import available_cores
from lesionlab.export.acceptance import ModelOutputs, compare, time_alternately
from lesionlab.export.formats import FORMATS
from lesionlab.export.measure import measure_images
from lesionlab.prediction.inference.batching import prefetch_images
from lesionlab.prediction.inference.preprocessing import PreparedImage
from lesionlab.prediction.inference.session import IMAGES_PER_RUN, GraphSession
from lesionlab.taxonomy import TASKS
from lesionlab.web.weights import pack_graph, unpack_graph

INVERTED = 200  # images for the share that is no longer detected as no dermoscopic image


def main() -> None:
    arguments = options(__doc__, "data!", "model", "out").parse_args()
    bundle = Bundle.load(arguments.model)
    packed = pack_graph(bundle.graph)
    rounded = replace(bundle, graph=unpack_graph(packed))
    manifest, split = own_split(bundle, arguments.data)
    images = manifest.select(split.subsets()["validation"])
    locations, task = [images.location(record) for record in images], TASKS[bundle.info.task]
    some = prefetch_images(locations[:INVERTED], bundle.info.preprocessing, IMAGES_PER_RUN)
    inverted = [255 - image.pixels for image in some if isinstance(image, PreparedImage)]
    exact, short = (GraphSession(one, available_cores()) for one in (bundle, rounded))
    original, page = (
        ModelOutputs(
            bundle.info,
            bundle.reference,
            measure_images(bundle, locations, None, session),
            measure_images(bundle, inverted, None, session),
            size / 1e6,
        )
        for session, size in zip((exact, short), (len(bundle.graph), len(packed.data)), strict=True)
    )
    report = compare(
        FORMATS["onnx-fp16"],
        "weights rounded to 16 bits, computation in 32 bits",
        original,
        page,
        time_alternately(exact, short, np.stack(inverted)),
        evaluated_on=f"validation subset of {images.records[0].dataset}",
        threads=available_cores(),
        labels=np.array([task.index(record.diagnosis) for record in images]),
        lesion_ids=[record.lesion_id for record in images],
    )
    write(
        arguments,
        {
            "what": "the page's weights, rounded to 16 bits, against those of the bundle",
            "command": command(arguments),
            **report.model_dump(mode="json", exclude={"format", "title", "computed_by"}),
            "decisions changed": changed(original, page),
            "environment": environment("lesionlab", "onnxruntime", "numpy"),
        },
    )


def changed(original: ModelOutputs, page: ModelOutputs) -> dict[str, int]:
    """Return the number of images on the other side of each threshold."""
    info, task = original.info, TASKS[original.info.task]
    found = {}
    for point in info.operating_points:
        columns = [info.classes.index(code) for code in task.targets[point.target]]
        sides = [one.probabilities[:, columns].sum(axis=1) >= point.threshold for one in (original, page)]
        found[f"{point.target}, {point.name}"] = int((sides[0] != sides[1]).sum())
    return found


if __name__ == "__main__":
    main()
