"""The page about the gate: its policy is the default one, its workflow calls what there is."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import yaml

from tests import ROOT
from tests.fixtures.command import workbench
from workbench.verbs.gate.policy import Policy, load_policy

PAGE = (ROOT / "docs" / "gate.md").read_text()
POLICY, WORKFLOW = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)


def test_the_pages_policy_says_the_defaults(tmp_path: Path):
    (tmp_path / "gate.yaml").write_text(POLICY)
    asked = load_policy(tmp_path / "gate.yaml")
    assert asked.model_copy(update={"targets": {}, "metrics": {}}) == Policy() == load_policy(None)
    assert asked.costs("host-torch").latency == 0.1 and asked.costs("host").latency == 0.05
    assert asked.of_metric("guidance_ratio").both and not asked.of_metric("psnr_db").both


def test_the_workflow_is_yaml_and_calls_options_that_there_are():
    steps = yaml.safe_load(WORKFLOW)["jobs"]["gate"]["steps"]
    commands = [shlex.split(step["run"]) for step in steps if step.get("run", "").startswith("workbench")]
    assert [words[1] for words in commands] == ["run", "gate"]
    for _, verb, *rest in commands:
        shown = workbench(verb, "--help").stdout
        assert [word for word in rest if word.startswith("--") and word not in shown] == []
