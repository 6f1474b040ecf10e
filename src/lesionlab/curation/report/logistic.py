"""Logistic regression with a ridge penalty."""

import numpy as np

from lesionlab.metrics.arrays import BoolArray, FloatArray

_STEPS = 50
_TOLERANCE = 1e-8


def fit_logistic(features: FloatArray, positive: BoolArray, penalty: float = 1.0) -> FloatArray:
    """Fit a logistic regression by Newton's method (iteratively reweighted least squares).

    Minimises the sum of the log losses plus penalty / 2 times the squared coefficients, without the intercept: the
    objective of scikit-learn's `LogisticRegression` with C = 1 / penalty.

    Source: le Cessie and van Houwelingen, Applied Statistics 41, 191-201, 1992.

    Args:
        features: [N, K], on similar scales.
        positive: [N], with both values.
        penalty: Positive.

    Returns:
        The intercept and the coefficients, [K + 1].
    """
    x = _with_ones(features)
    ridge = np.full(x.shape[1], penalty)
    ridge[0] = 0

    def loss(w: FloatArray) -> float:
        z = x @ w
        return float(np.logaddexp(0, z).sum() - z[positive].sum() + (ridge * w * w).sum() / 2)

    w = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        p = (1 + np.tanh(x @ w / 2)) / 2
        gradient = x.T @ (p - positive) + ridge * w
        hessian = (x * (p * (1 - p))[:, None]).T @ x + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        while loss(w - step) > loss(w) and np.abs(step).max() > _TOLERANCE:
            step /= 2
        w = w - step
        if np.abs(step).max() <= _TOLERANCE:
            break
    return w


def predict_logit(features: FloatArray, coefficients: FloatArray) -> FloatArray:
    """Return the log odds of each row of features, [N]."""
    return np.asarray(_with_ones(features) @ coefficients)


def _with_ones(features: FloatArray) -> FloatArray:
    return np.concatenate([np.ones((len(features), 1)), features], axis=1)
