"""The gate through the command line: runs, recorded figures, policies, exit codes, files."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.fixtures.command import workbench
from tests.fixtures.small_run import run


def gate(place: Path, *arguments: str, code: int = 0):
    done = workbench("gate", *arguments, "--store", "store", cwd=place)
    assert done.exit_code == code, done.stderr
    return done


def test_the_same_against_the_same_passes_and_writes_what_was_asked_for(own_run: Path):
    files = ("--junit", "out/gate.xml", "--markdown", "out/gate.md")
    facts = json.loads(gate(own_run, "small", "--against", "small@1", "--json", *files).stdout)
    assert facts["passed"] and {each["outcome"] for each in facts["findings"]} == {"passes"}
    names = [case.get("name") for case in ElementTree.parse(own_run / "out" / "gate.xml").iter("testcase")]
    assert names == [each["name"] for each in facts["findings"]] and "host: latency" in names
    assert "✅ passes" in (own_run / "out" / "gate.md").read_text()


def test_a_larger_candidate_fails_by_name_with_exit_1_and_is_not_recorded(own_run: Path):
    first = gate(own_run, "small/w8a8", "--against", "released.json", "--update")
    assert first.stdout == "small/w8a8 is recorded in released.json\n"
    before = (own_run / "released.json").read_text()
    assert json.loads(before)["candidate"] == "w8a8"
    done = gate(own_run, "small/base", "--against", "released.json", "--update", code=1)
    assert "is worse than released.json: size" in done.stderr and (own_run / "released.json").read_text() == before
    gate(own_run, "small/w8a8", "--against", "released.json", "--update")


def test_other_pictures_are_not_compared_unless_the_policy_allows_it(own_run: Path):
    run(own_run, "evaluate.pictures=3")
    done = gate(own_run, "small", "--against", "small@1", code=1)
    assert "not comparable" in done.stdout and "other prompts" in done.stdout
    (own_run / "gate.yaml").write_text("version: 1\nnot_comparable: allow\n")
    gate(own_run, "small", "--against", "small@1", "--policy", "gate.yaml")


@pytest.mark.long
def test_both_are_measured_in_turns_when_asked(own_run: Path):
    facts = json.loads(gate(own_run, "small/w8a8", "--against", "small/w8a8", "--again", "--json").stdout)
    host = [each for each in facts["findings"] if each["name"].startswith("host: ")]
    assert host and all("measured in turns" in each["why"] for each in host)


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ("latency: 0.05\nlatancy: 0.1\n", "gate.yaml:2: latancy: unknown key"),
        ("targets: {host: {latency: fast}}\n", "gate.yaml:1: targets.host.latency: found the text 'fast'"),
        ("not_comparable: maybe\n", "not_comparable: found the text 'maybe'; needs 'fail' or 'allow'"),
        ("- 1\n", "gate.yaml:1: needs a mapping"),
        ("version: 9\n", "gate.yaml:1: version: found 9; needs 1"),
    ],
)
def test_a_wrong_policy_is_told_with_line_and_key(small_run: Path, tmp_path: Path, policy: str, says: str):
    (tmp_path / "gate.yaml").write_text(policy)
    asked = ("small", "--against", "small", "--policy", str(tmp_path / "gate.yaml"))
    assert says in gate(small_run, *asked, code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("small", "--against", "nowhere"), "nowhere: no such folder"),
        (("smal", "--against", "small"), "smal: no such folder"),
        (("small/w8a", "--against", "small"), "did you mean small/w8a8?"),
        (("small", "--against", "released.json"), "released.json: no such file"),
        (("small", "--against", "small", "--update"), "--update: needs --against FILE.json"),
        (("small", "--against", "store"), "isn't a shipped folder"),
    ],
)
def test_bad_input_is_told_in_one_sentence(small_run: Path, arguments: tuple[str, ...], says: str):
    assert says in gate(small_run, *arguments, code=2).stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [("{}", "isn't a file of released figures"), ('{"schema": 99}', "found schema 99"), ("[", "was damaged")],
)
def test_recorded_figures_of_another_version_or_damaged_ones_are_refused(small_run, tmp_path, text: str, says: str):
    (tmp_path / "old.json").write_text(text)
    assert says in gate(small_run, "small", "--against", str(tmp_path / "old.json"), code=2).stderr
