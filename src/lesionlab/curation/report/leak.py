"""The leak that a split by image makes: test images whose lesion is also in training."""

import math
from collections.abc import Mapping

from lesionlab.base_models import FrozenModel


class Leak(FrozenModel):
    """The leak of a random split by image.

    Attributes:
        training_share: Share of the images in training.
        test_images: Expected share of the test images whose lesion has an image in training.
    """

    training_share: float
    test_images: float


def expected_leak(images_per_lesion: Mapping[int, int], training_images: int) -> float:
    """Return the expected share of test images whose lesion also has an image in training.

    Of N images, n are drawn for training at random. Let a test image belong to a lesion of m images. The n training
    images are a sample without replacement of the N - 1 others, and none of its m - 1 siblings is among them with the
    hypergeometric probability C(N - m, n) / C(N - 1, n), the product of (N - n - i) / (N - i) over i = 1 ... m - 1
    (Feller, An Introduction to Probability Theory and Its Applications 1, 3rd ed., 1968, II.6). All images are equally
    likely to be in the test, so that the expected share is the mean of the complement over all images, whatever the
    sizes of test and validation.

    Args:
        images_per_lesion: Number of lesions by their number of images.
        training_images: Number of images in training, n.

    Example:
        >>> leak = expected_leak({1: 2, 2: 1}, training_images=2)  # half of the images, with probability 2 / 3
        >>> round(leak, 3)
        0.333
    """
    images = sum(size * lesions for size, lesions in images_per_lesion.items())
    leaking = 0.0
    for size, lesions in images_per_lesion.items():
        alone = math.prod(max(images - training_images - i, 0) / (images - i) for i in range(1, size))
        leaking += size * lesions * (1 - alone)
    return leaking / images
