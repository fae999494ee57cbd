"""The environment of a number: facts, and a reason for each that can't be read."""

from __future__ import annotations

import json
import platform

from workbench.store.environment import environment, fingerprint


def test_every_unknown_fact_has_a_reason():
    found = environment()
    json.dumps(found)
    assert found["cores_usable"] >= 1 and found["libraries"]["torch"]
    for name in ("cpu", "governor", "frequency_khz", "memory_bytes"):
        assert (found[name] is None) == (name in found["unknown"])


def test_the_fingerprint_is_stable_and_names_no_machine():
    assert fingerprint() == fingerprint()
    assert platform.node() not in json.dumps(fingerprint())
