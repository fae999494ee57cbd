"""What the machine did besides: told where the system tells it, and why not where it doesn't."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workbench.profile import disturbance
from workbench.profile.doubts import disturbances


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system's files as Linux has them, of two CPUs and two sensors."""
    monkeypatch.setattr(disturbance, "CPUS", tmp_path / "cpu")
    monkeypatch.setattr(disturbance, "ZONES", tmp_path / "thermal")
    tell(tmp_path, (3_000_000, 2_000_000), (40_000, 65_500))
    return tmp_path


def tell(root: Path, frequencies: tuple[int, ...], temperatures: tuple[int, ...]) -> None:
    for i, (khz, heat) in enumerate(zip(frequencies, temperatures, strict=True)):
        for file, value in (
            (root / f"cpu/cpu{i}/cpufreq/scaling_cur_freq", khz),
            (root / f"thermal/thermal_zone{i}/temp", heat),
        ):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{value}\n")


def test_frequency_and_temperature_stand_before_and_after(system: Path) -> None:
    before = disturbance.moment()
    tell(system, (2_000_000, 1_600_000), (90_000, 70_000))
    found = disturbance.between(before, disturbance.moment())
    assert (found["frequency_mhz_before"], found["frequency_mhz_after"]) == (2500, 1800)
    assert (found["temperature_c_before"], found["temperature_c_after"]) == (65.5, 90)
    assert "frequency_mhz" not in found["unknown"]
    (word,) = [word for word in disturbances(found, "host") if "frequency" in word]
    assert word == "host: the CPUs' frequency fell from 2500 to 1800 MHz meanwhile, the hottest sensor is at 90 °C"


def test_a_system_that_does_not_tell_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CPUS", "ZONES", "STAT"):
        monkeypatch.setattr(disturbance, name, tmp_path / "none")
    found = disturbance.between(disturbance.moment(), disturbance.moment())
    assert found["frequency_mhz_before"] is found["temperature_c_after"] is found["steal_share"] is None
    assert found["unknown"].keys() == {"steal_share", "others_share", "frequency_mhz", "temperature_c"}
    assert disturbances(found, "host") == []


def test_a_sensor_that_can_not_be_read_is_left_out(system: Path) -> None:
    (system / "thermal/thermal_zone1/temp").write_text("\n")
    assert disturbance.moment().temperature == 40


def test_a_system_without_a_load_is_measured_all_the_same(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise OSError

    monkeypatch.setattr(os, "getloadavg", fails)
    assert disturbance.moment().load is None
