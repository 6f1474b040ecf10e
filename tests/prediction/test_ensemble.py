"""An ensemble says the mean of what its members say, and claims no figure that was measured for one of them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lesionlab.bundle import Bundle, BundleInfo, Calibration
from lesionlab.errors import UsageError
from lesionlab.prediction import Ensemble, Failure, Prediction, Predictor


@pytest.fixture(scope="module")
def members(tiny_info: BundleInfo, tiny_graph: bytes) -> list[Predictor]:
    def member(name: str, temperature: float) -> Predictor:
        calibration = Calibration(temperature=temperature, images=9, ece_before=0.1, ece_after=0.1)
        info = tiny_info.model_copy(update={"name": name, "calibration": calibration})
        return Predictor(Bundle(info, tiny_graph, Path(name)))

    return [member("sure", 0.5), member("unsure", 3.0)]


def test_probabilities_are_the_mean_and_a_bad_image_stops_nothing(members: list[Predictor]) -> None:
    images = [np.full((40, 40, 3), value, np.uint8) for value in (60, 200)]
    places: list[np.ndarray | bytes] = [images[0], b"no image", images[1]]
    answers = list(Ensemble(members).predict_many(places, batch_size=2))
    assert isinstance(answers[1], Failure)
    for image, answer in ((images[0], answers[0]), (images[1], answers[2])):
        assert isinstance(answer, Prediction)
        singles = [member.predict(image) for member in members]
        for code, probability in answer.probabilities.items():
            assert probability == pytest.approx(np.mean([s.probabilities[code] for s in singles]))
        assert answer.malignant == pytest.approx(np.mean([s.malignant for s in singles if s.malignant is not None]))
        best = max(answer.probabilities, key=answer.probabilities.__getitem__)
        assert answer.top[0].diagnosis == best
        assert answer.bundle.startswith("ensemble of sure, unsure@")


def test_it_has_no_figures_of_its_own(members: list[Predictor]) -> None:
    info = Ensemble(members).info
    assert (info.operating_points, info.metrics) == ((), {})
    assert info.parameters == sum(member.info.parameters for member in members)


def test_what_is_no_ensemble_is_refused(members: list[Predictor], tiny_binary_bundle: Callable[[str], Path]) -> None:
    with pytest.raises(UsageError, match="at least two"):
        Ensemble(members[:1])
    with pytest.raises(UsageError, match="different members"):
        Ensemble([members[0], members[0]])
    with pytest.raises(UsageError, match="one task"):
        Ensemble([members[0], Predictor.load(tiny_binary_bundle("malignant"))])
