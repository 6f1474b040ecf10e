"""The regression against scikit-learn, and where it has no finite solution without the penalty."""

import numpy as np
import pytest

from lesionlab.curation.report.logistic import fit_logistic, predict_logit


@pytest.mark.parametrize("penalty", [0.1, 1.0, 20.0])
def test_equals_scikit_learn(penalty: float) -> None:
    linear_model = pytest.importorskip("sklearn.linear_model", reason="the extra train is not installed")
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 5))
    positive = random.random(200) < 1 / (1 + np.exp(-(x @ [1.0, -2, 0, 0.5, 0] - 2)))
    theirs = linear_model.LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=1000).fit(x, positive)
    ours = fit_logistic(x, positive, penalty)
    np.testing.assert_allclose(ours, [*theirs.intercept_, *theirs.coef_[0]], atol=1e-4)
    np.testing.assert_allclose(predict_logit(x, ours), theirs.decision_function(x), atol=1e-3)


def test_separable_constant_and_redundant_features_have_a_finite_solution() -> None:
    positive = np.arange(100) >= 97
    x = np.stack([positive, positive, np.ones(100), 5.0 * positive], axis=1).astype(float)
    fitted = fit_logistic(x, positive)
    assert np.isfinite(fitted).all()
    assert predict_logit(x, fitted)[positive].min() > predict_logit(x, fitted)[~positive].max()
