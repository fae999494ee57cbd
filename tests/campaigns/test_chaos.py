"""A slice of the kill campaign: work of a run's shape that takes a fraction of a second."""

from __future__ import annotations

import sys

from tests.fixtures.command import process


def test_what_is_killed_and_resumed_ends_as_if_undisturbed_and_leaves_nothing():
    campaign = [
        sys.executable,
        "-m",
        "tests.campaigns.chaos",
        "--toy",
        "--seed",
        "5",
        "--kills",
        "12",
        "--signals",
        "12",
    ]
    done = process([*campaign, "--seconds", "120", "--lanes", "1"])
    assert done.returncode == 0 and "24 of 24 kills" in done.stdout, done.stdout + done.stderr
