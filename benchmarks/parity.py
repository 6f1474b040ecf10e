"""Largest difference of probabilities between a bundle and the training framework, from JPEG files to probabilities.

    python benchmarks/parity.py RUN [--data FOLDER] [--images 200] [--out FILE]

The training framework uses the image cache and the run's best weights, as in validation.
"""

import random

import numpy as np
import torch
from common import command, options, write

from lesionlab.attribution.network import ExplainedNetwork
from lesionlab.bundle import Bundle
from lesionlab.prediction import Predictor
from lesionlab.runs import RunFolder
from lesionlab.training.batches import to_images
from lesionlab.training.cache import open_image_cache
from lesionlab.training.trained import trained_network


def main() -> None:
    arguments = options(__doc__, "run", "data", "images", "out", images=200).parse_args()
    run = RunFolder(arguments.run)
    dataset, recipe = run.manifest(arguments.data), run.recipe()
    chosen = random.Random(0).sample([r.image_id for r in dataset], arguments.images)  # noqa: S311 - not for security
    manifest = dataset.select(chosen)
    bundle = Bundle.load(run.bundle)
    calibration = bundle.info.calibration

    # The same model in PyTorch, with test-time augmentation and lesion crop.
    network = ExplainedNetwork(trained_network(run, recipe.inference.start_share), recipe)
    pixels = open_image_cache(manifest, bundle.info.preprocessing)
    with torch.no_grad():
        batches = torch.split(torch.from_numpy(np.ascontiguousarray(pixels)), 50)
        trained = torch.cat([network(to_images(batch)) for batch in batches]).numpy()
    served = Predictor.load(bundle).predict_logits([manifest.location(r) for r in manifest])
    difference = np.abs(calibration.probabilities(trained) - calibration.probabilities(served))
    result = {
        "what": "largest difference of a probability between PyTorch and the bundle, from JPEG bytes",
        "command": command(arguments),
        "bundle": bundle.info.identity,
        "images": len(manifest),
        "largest_difference": float(difference.max()),
        "largest_difference_of_logits": float(np.abs(trained - served).max()),
        "same_most_probable_diagnosis": int((trained.argmax(1) == served.argmax(1)).sum()),
    }
    write(arguments, result)


if __name__ == "__main__":
    main()
