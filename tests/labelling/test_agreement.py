"""Agreement and accuracy of the readers of a store."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from lesionlab.labelling.agreement import agreement_report
from lesionlab.labelling.store import Event, EventKind, State

LESIONS = [f"L{number:02}" for number in range(60)]


def state_of(values: dict[str, dict[str, str]], shown: frozenset[str] = frozenset()) -> State:
    state = State()
    for reader, answers in values.items():
        for lesion, value in answers.items():
            kind = {"kind": "cannot tell"} if value == "cannot tell" else {"kind": "diagnosis", "diagnosis": value}
            content = {**kind, "seconds": 3.0, "prediction_shown": reader in shown}
            identity = f"{reader}-{lesion}"
            state.apply(Event(id=identity, kind=EventKind.ANSWERED, reader=reader, lesion=lesion, content=content))
    return state


def drawn(seed: int, share: float) -> dict[str, str]:
    """Return the truth, changed in a share of the lesions."""
    rng = np.random.default_rng(seed)
    truth = ["mel" if number % 3 == 0 else "nv" if number % 3 == 1 else "bkl" for number in range(len(LESIONS))]
    others = rng.choice(["mel", "nv", "bkl"], len(LESIONS))
    changed = rng.random(len(LESIONS)) < share
    return {
        lesion: str(other) if change else own
        for lesion, own, other, change in zip(LESIONS, truth, others, changed, strict=True)
    }


def test_pairs_all_readers_and_the_model() -> None:
    values = {"Anna": drawn(1, 0.2), "Bert": drawn(2, 0.3), "Cora": drawn(3, 0.4)}
    report = agreement_report(state_of(values), model=drawn(4, 0.1), name="tiny@0")
    assert [pair.readers for pair in report.pairs] == [
        ("Anna", "Bert"), ("Anna", "Cora"), ("Anna", "tiny@0"), ("Bert", "Cora"), ("Bert", "tiny@0"), ("Cora", "tiny@0")
    ]  # fmt: skip
    for pair in report.pairs[:2]:
        first, second = (list(values[reader].values()) for reader in pair.readers)
        assert pair.kappa.value == pytest.approx(cohen_kappa_score(first, second))
        assert pair.kappa.low < pair.kappa.value < pair.kappa.high  # type: ignore[operator]
        melanoma = cohen_kappa_score([x == "mel" for x in first], [x == "mel" for x in second])
        assert pair.by_class["mel"].value == pytest.approx(melanoma)
    assert report.all_readers is not None
    kappas = [pair.kappa.value for pair in report.pairs if "tiny@0" not in pair.readers]
    assert min(kappas) < report.all_readers.kappa.value < max(kappas)  # type: ignore[type-var, operator]
    assert "not a diagnosis" in report.notice


def test_accuracy_with_and_without_aid() -> None:
    truth = drawn(0, 0.0)
    wrong = dict(truth, L00="nv", L01="mel", L02="cannot tell")
    report = agreement_report(state_of({"Anna": truth, "Bert": wrong}, frozenset({"Bert"})), truth, model=truth)
    anna, bert, model = report.accuracy
    assert (anna.reader, anna.aided, anna.lesions, anna.seconds) == ("Anna", False, 60, 3.0)
    assert (anna.sensitivity.value, anna.sensitivity.high) == (1.0, 1.0)
    assert anna.sensitivity.low == pytest.approx(1 - (1 - 0.025 ** (1 / 20)))
    assert (bert.aided, bert.lesions, bert.undecided) == (True, 59, 1)
    assert bert.sensitivity.value == pytest.approx(19 / 20)
    assert bert.specificity.value == pytest.approx(38 / 39)
    assert (model.reader, model.aided, model.seconds) == ("model", None, None)


def test_readers_without_common_lesions_have_no_pair() -> None:
    report = agreement_report(state_of({"Anna": {"L00": "mel"}, "Bert": {"L01": "nv"}}))
    assert (report.pairs, report.all_readers, report.accuracy) == ((), None, ())
    alike = agreement_report(state_of({"Anna": {"L00": "mel"}, "Bert": {"L00": "mel"}}))
    assert alike.pairs[0].kappa.value is None
    assert alike.pairs[0].observed.value == 1.0
