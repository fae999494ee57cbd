"""What a profile says against its own numbers."""

from __future__ import annotations

from dataclasses import replace

from workbench.measure.memory import Peak
from workbench.measure.record import Record
from workbench.profile.doubts import disturbances, doubts


def test_everything_that_makes_numbers_doubtful_is_said_with_its_place(records: list[Record]) -> None:
    base = records[0]
    unet = replace(base.components["unet"], count=replace(base.components["unet"].count, uncounted={"Loop": 2}))
    facts = {**base.facts, "threads": base.facts["environment"]["cores_usable"] + 1}
    facts["ceilings"] = {**facts["ceilings"], "warnings": ["int8 can't be measured"]}
    peak = Peak(None, reason="this system doesn't tell")
    said = doubts(replace(base, components={"unet": unet}, facts=facts, peak=peak, apart=("unet",)))
    words = "too little memory to hold all candidates at once, so each was loaded anew for every pass"
    assert f"host unet: {words}" in said
    assert f"host: {facts['threads']} threads on {facts['threads'] - 1} usable cores" in said
    assert "host: int8 can't be measured" in said
    assert "base@host: peak memory: this system doesn't tell" in said
    assert "base.unet: not counted in MACs: Loop (2)" in said


def test_a_machine_that_others_used_is_named_with_their_share() -> None:
    said = disturbances({"steal_share": 0.051, "others_share": 0.2}, "host")
    assert said[0].startswith("host: the hypervisor took 5% of the CPU time") and "other processes used 20%" in said[1]
    assert disturbances({"steal_share": 0.02, "others_share": 0.1}, "host") == []
