"""The study in its database: which trials count, and what is repeated."""

import time
from pathlib import Path
from threading import Thread
from typing import Any

import optuna
import pytest

from lesionlab.errors import LesionlabError, UsageError
from lesionlab.experiments.tuning.study import (
    StudySettings,
    Turn,
    ended_trials,
    fail_dead_trials,
    missing_trials,
    opened_study,
    repeat_failed,
)

pytestmark = pytest.mark.slow

SETTINGS = StudySettings(name="study", trials=5, heartbeat=1)


def opened(folder: Path, settings: StudySettings = SETTINGS, identity: object = 1) -> Any:
    return opened_study(settings, folder, minimize=False, identity=identity)


def value(trial: optuna.Trial) -> float:
    return trial.suggest_float("x", 0, 1)


def test_a_study_goes_on_with_other_values(tmp_path: Path) -> None:
    with opened(tmp_path) as study:
        study.optimize(value, n_trials=2)
        assert missing_trials(study, 5) == 3
    with opened(tmp_path) as study:
        study.optimize(value, n_trials=3)
        assert missing_trials(study, 5) == 0
        assert len({trial.value for trial in ended_trials(study)}) == 5


def test_a_trial_that_an_error_ended_is_repeated_three_times(tmp_path: Path) -> None:
    def fails(trial: optuna.Trial) -> float:
        trial.report(value(trial), 1)
        trial.set_user_attr("folder", trial.user_attrs.get("folder", f"trial-{trial.number}"))
        raise OSError("disk full")

    with opened(tmp_path) as study:
        for attempt in range(4):
            with pytest.raises(OSError, match="disk full"):
                study.optimize(fails, n_trials=1)
            assert missing_trials(study, 5) == 4
            repeat_failed(study, attempt)
            assert missing_trials(study, 5) == (5 if attempt < 3 else 4)
        trials = study.get_trials()
        assert {trial.params["x"] for trial in trials} == {trials[0].params["x"]}
        assert {trial.user_attrs["folder"] for trial in trials} == {"trial-0"}
        assert [trial.number for trial in ended_trials(study)] == [3]


def test_a_trial_without_signs_of_life_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lesionlab.experiments.tuning.study._MISSED_BEATS", 1)

    def dies(trial: optuna.Trial) -> float:
        value(trial)
        raise SystemExit  # Optuna leaves such a trial running

    with opened(tmp_path) as study:
        with pytest.raises(SystemExit):
            study.optimize(dies, n_trials=1)
        assert missing_trials(study, 5) == 4
        deadline = time.monotonic() + 20
        while missing_trials(study, 5) == 4 and time.monotonic() < deadline:
            time.sleep(0.2)
            fail_dead_trials(study)
        assert missing_trials(study, 5) == 5
        study.optimize(value, n_trials=1)
        (trial,) = ended_trials(study)
        assert (trial.number, trial.params) == (1, study.get_trials()[0].params)


def test_another_search_in_the_database_is_an_error(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    with (
        pytest.raises(UsageError, match=r"study\.db holds a study 'study' of another recipe"),
        opened(tmp_path, identity=2),
    ):
        pass
    with opened(tmp_path, SETTINGS.model_copy(update={"name": "other"}), identity=2) as study:
        assert study.study_name == "other"


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("nowhere", "is not a URL such as postgresql://"),
        ("nosuch://host/database", "is not the URL of a database that works here"),
        (
            "postgresql://user:secret@localhost:1/none",
            r"user:\*\*\*@localhost:1/none cannot be opened: connection failed",
        ),
    ],
)
def test_a_database_that_cannot_be_opened_is_reported(storage: str, message: str, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"storage": storage})
    with pytest.raises(LesionlabError, match=message) as error, opened(tmp_path, settings):
        pass
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_database_that_is_lost_is_reported(tmp_path: Path) -> None:
    with (
        pytest.raises(LesionlabError, match=r"study\.db was lost: .*; run the same command again"),
        opened(tmp_path) as study,
    ):
        study._storage._backend.engine.dispose()
        (tmp_path / "study.db").write_bytes(b"not a database, but as long as the header of one " * 10)
        study.optimize(value, n_trials=1)


def test_one_process_at_a_time_begins_a_trial(tmp_path: Path) -> None:
    first, second = Turn(tmp_path / "lock"), Turn(tmp_path / "lock")
    first.take()
    waiting = Thread(target=second.take)
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    first.leave()
    waiting.join(5)
    assert not waiting.is_alive()
    second.leave()
