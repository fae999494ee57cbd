"""What one picture takes, from a summary."""

from __future__ import annotations

import pytest

from workbench.report.per_picture import picture_macs


def test_macs_of_a_picture_weigh_the_unet_by_its_passes(run):
    assert picture_macs(run.profiles["host", "w8a8"]) == pytest.approx(
        (2 * 14.7e6 + 20 * 141e6 + 391e6, 20 * 141e6 * 0.962)
    )
    assert picture_macs({}) is None
