"""README and docs: every command in them is one that workbench takes, every file that they name is there."""

from __future__ import annotations

import re
import shlex

import pytest

from tests import ROOT
from tests.fixtures.command import workbench

PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "workbench" / "models" / "demo" / "README.md",
]


def commands() -> list[list[str]]:
    found = []
    for page in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.S):
            for line in block.splitlines():
                words = shlex.split(line, comments=True)
                if words[:1] == ["workbench"]:
                    found.append([*words[1 : words.index(">") if ">" in words else None]])
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_is_taken(words, tmp_path):
    verb, *rest = words
    if verb == "run":  # the same arguments, checked instead of run; tests/run runs the recipes
        verb = "check"
    if verb in (
        "sample",
        "ship",
        "train-demo",
        "profile",
        "compare",
        "devices",
        "schemes",
        "tile",
        "runs",
        "store",
        "gate",
        "npu",
    ):  # they measure, draw, or need a device or a run
        options = [w for w in rest if w.startswith("-")]
        shown = workbench(verb, *(rest[:1] if verb in ("runs", "store") else []), "--help")
        assert shown.exit_code == 0, shown.stderr
        assert [o for o in options if o not in shown.stdout] == []
        return
    store = ["--store", str(tmp_path)] if verb == "check" else []
    done = workbench(verb, *rest, *store, cwd=tmp_path if verb == "init" else ROOT)
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page):
    targets = [t for t in re.findall(r"\]\(([^)#]+)\)", page.read_text()) if "://" not in t]
    assert [t for t in targets if not (page.parent / t).exists()] == []


def test_every_recipe_is_in_the_readme():
    text = (ROOT / "README.md").read_text()
    assert [r.name for r in (ROOT / "recipes").glob("*.yaml") if f"recipes/{r.name}" not in text] == []
