"""The number of cores, in containers too."""

import os
from pathlib import Path

import pytest

from lesionlab import cpu


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("100000 100000\n", 1), ("150000 100000\n", 2), ("50000 100000\n", 1), ("max 100000\n", 64), ("", 64)],
)
def test_the_quota_of_a_container_counts(
    quota: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    monkeypatch.setattr(cpu, "_CPU_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert cpu.available_cores() == expected


def test_without_control_groups_the_affinity_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "_CPU_QUOTA", tmp_path / "missing")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert cpu.available_cores() == 3


def test_a_process_that_shares_the_machine_has_fewer_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "_CPU_QUOTA", tmp_path / "missing")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(cpu, "_limit", cpu._limit)  # restored afterwards
    cpu.limit_cores(3)
    assert cpu.available_cores() == 3
    cpu.limit_cores(16)
    assert cpu.available_cores() == 8
