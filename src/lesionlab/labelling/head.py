"""The linear head on frozen features: probabilities, and samples of them by dropout."""

from dataclasses import dataclass

import numpy as np

from lesionlab.bundle.features import signed_sqrt
from lesionlab.curation.out_of_fold import fit_multinomial
from lesionlab.metrics import softmax
from lesionlab.metrics.arrays import FloatArray, IntArray

_COMPONENTS = 128
_PENALTY = 10.0
_DROPOUT = 0.5


@dataclass(frozen=True, eq=False)
class Head:
    """A linear classifier of C classes.

    Attributes:
        weights: [D, C].
        bias: [C].
        temperature: Divisor of the logits.
    """

    weights: FloatArray
    bias: FloatArray
    temperature: float = 1.0

    @classmethod
    def fit(cls, features: FloatArray, labels: IntArray, classes: int) -> "Head":
        """Fit a multinomial logistic regression with an L2 penalty.

        Args:
            features: Of the labelled lesions, [N, D], as from a `Projection`.
            labels: Their classes, [N]; a class without a lesion gets a probability of almost 0.
            classes: Number of classes.
        """
        return cls(*fit_multinomial(features, labels, classes, _PENALTY))

    def probabilities(self, features: FloatArray) -> FloatArray:
        """Return the probabilities of lesions, [N, C]."""
        return softmax(features @ self.weights + self.bias, self.temperature)

    def samples(
        self, features: FloatArray, count: int, generator: np.random.Generator, dropout: float = _DROPOUT
    ) -> FloatArray:
        """Return the probabilities of lesions under random masks of the features, [count, N, C].

        This is Monte Carlo dropout (Gal and Ghahramani, ICML 2016) before the last layer alone: the features are
        frozen, so that the samples differ by what the head has learnt, not by the network below it. A mask holds for
        all lesions.

        Args:
            features: [N, D].
            count: Number of masks.
            generator: Source of the masks.
            dropout: Share of the features that a mask sets to 0; the others are scaled up.
        """
        masks = (generator.random((count, self.weights.shape[0])) >= dropout) / (1 - dropout)
        return np.stack(
            [softmax(features @ (mask[:, None] * self.weights) + self.bias, self.temperature) for mask in masks]
        )


def balanced_classes(probabilities: FloatArray, labels: IntArray) -> IntArray:
    """Return the class with the highest probability divided by its share of the labels, [N].

    Strategies ask for different shares of the classes. With this rule, that of a bundle, their heads are compared at
    equal class frequencies. A class without a label is not predicted.

    Args:
        probabilities: Of a head that was fitted to the labels, [N, C].
        labels: Classes of the labelled lesions.
    """
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    scores = np.divide(probabilities, counts, out=np.zeros_like(probabilities), where=counts > 0)
    return np.asarray(scores.argmax(axis=1))


@dataclass(frozen=True, eq=False)
class Projection:
    """Principal components of standardised signed square roots of features.

    Attributes:
        mean: Of the roots, [D].
        scale: Their standard deviations, [D].
        basis: The first principal directions, at most 128, [D, K], scaled so that the components have a mean square
            of 1, whatever the network.
    """

    mean: FloatArray
    scale: FloatArray
    basis: FloatArray

    @classmethod
    def fit(cls, features: np.ndarray) -> "Projection":
        """Fit the projection to the features of unlabelled lesions, [N, D]."""
        roots = signed_sqrt(features).astype(np.float64)
        mean, scale = roots.mean(axis=0), roots.std(axis=0) + 1e-6
        scaled = (roots - mean) / scale
        values, vectors = np.linalg.eigh(scaled.T @ scaled / len(scaled))
        held, basis = values[::-1][:_COMPONENTS], vectors[:, ::-1][:, :_COMPONENTS]
        return cls(mean, scale, basis / np.sqrt(held.clip(0).mean() + 1e-12))

    def apply(self, features: np.ndarray) -> FloatArray:
        """Return the components of features [N, D], [N, K]."""
        return np.asarray((signed_sqrt(features) - self.mean) / self.scale @ self.basis)
