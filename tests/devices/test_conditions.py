"""Which cores, how warm, how steady: what decides when a device is measured and how far its times can be trusted."""

from __future__ import annotations

import pytest

from tests.devices.answers import read
from workbench.devices.conditions import fast_cores, held, mask_of, too_warm, validity
from workbench.devices.result import Reading
from workbench.measure.clock import Stats

CORE = "/sys/devices/system/cpu/cpu{}/cpufreq/cpuinfo_max_freq={}"


@pytest.mark.parametrize(
    ("khz", "mask"),
    [
        ([1800, 1800, 1800, 1800, 2400, 2400, 2400, 3000], "f0"),
        ([1800, 1800, 2400, 2400], "c"),
        ([2000, 2000, 2000, 2000], "f"),
    ],
)
def test_the_mask_holds_all_cores_but_the_slowest(khz, mask):
    online = [f"/sys/devices/system/cpu/online=0-{len(khz) - 1}"]
    found = read(online=online, cores=[CORE.format(i, k) for i, k in enumerate(khz)])
    assert mask_of(fast_cores(found)) == mask


def test_without_any_core_told_there_is_no_mask():
    assert mask_of(fast_cores(read(online=[]))) is None


def thermal(status, celsius):
    return [f"Thermal Status: {status}", f"Temperature{{mValue={celsius}, mType=0, mName=CPU, mStatus=0}}"]


def test_androids_status_decides_else_the_hottest_sensor():
    assert too_warm(read(thermalservice=thermal(0, 80.0))) is None
    assert too_warm(read(thermalservice=thermal(1, 20.0))) == "thermal status 1"
    zone = "/sys/class/thermal/thermal_zone0/"
    assert too_warm(read(zones=[f"{zone}type=soc", f"{zone}temp=46000"])) == "soc at 46 °C"
    assert too_warm(read(zones=[f"{zone}type=soc", f"{zone}temp=44000"])) is None
    assert too_warm(read()) is None, "nothing tells"


def readings(*khz, celsius=()):
    thousandths = [value and value * 1000 for value in celsius]
    return [Reading.model_validate({"khz": k, "millidegrees": thousandths}) for k in khz]


def test_a_clock_that_falls_is_throttling():
    found = held(readings((3000, 2000), (3000, 2000), (2600, 2000), celsius=(41.0, None)))
    assert found["throttled"] is True
    assert (found["khz_least"], found["khz_most"]) == (2000, 3000)
    assert (found["celsius_first"], found["celsius_most"]) == (41.0, 41.0)


def test_the_governor_may_still_raise_the_clock_at_the_first_reading():
    assert held(readings((600,), (3000,), (2950,)))["throttled"] is False


def test_a_core_of_another_speed_is_not_throttling():
    assert held(readings((3000, 1800), (3000, 1800), (3000, 1800)))["throttled"] is False


def test_what_is_not_readable_is_unknown():
    found = held(readings((None,), (None,)))
    assert found["throttled"] is None and found["khz_least"] is None and found["celsius_most"] is None
    assert held([])["throttled"] is None


def test_a_short_run_says_so():
    assert validity(Stats((10.0,) * 30))["mlperf_valid"] is False
    long = validity(Stats((60.0,) * 1024))
    assert long == {
        "min_duration_met": True, "min_query_met": True, "mlperf_valid": True, "seconds": 61.44, "n": 1024,
    }  # fmt: skip
