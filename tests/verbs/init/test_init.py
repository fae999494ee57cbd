"""``workbench init`` writes a recipe that can be run as it stands, and overwrites nothing."""

from __future__ import annotations

import json

import jsonschema
import pytest
import yaml

from tests.fixtures.command import workbench
from workbench.verbs.gate.policy import Policy, load_policy


@pytest.mark.parametrize("name", ["recipe.yaml", "my_tiny.yml", "1e3.yaml"])
def test_what_it_wrote_can_be_run(name, tmp_path):
    done = workbench("init", *([] if name == "recipe.yaml" else [name]), cwd=tmp_path)
    assert (done.exit_code, done.stdout.split()) == (0, [name, "recipe.schema.json", "gate.yaml"])
    checked = workbench("check", name, "--json", cwd=tmp_path)
    assert checked.exit_code == 0, checked.stderr
    report = json.loads(checked.stdout)
    assert (report["name"], list(report["stored"])) == (name.partition(".")[0], ["bk_tiny", "distilled", "w8a8"])
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([name, "recipe.schema.json", "gate.yaml"])


def test_an_editor_finds_the_schema_and_the_recipe_is_valid_by_it(tmp_path):
    workbench("init", cwd=tmp_path)
    text = (tmp_path / "recipe.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=recipe.schema.json\n")
    schema = json.loads((tmp_path / "recipe.schema.json").read_text())
    assert schema == json.loads(workbench("schema").stdout)
    jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(text))


def test_the_policy_says_what_holds_without_one(tmp_path):
    workbench("init", cwd=tmp_path)
    assert load_policy(tmp_path / "gate.yaml") == load_policy(None)
    keys = [line.partition(":")[0] for line in (tmp_path / "gate.yaml").read_text().splitlines()[1:]]
    assert sorted(keys) == sorted(Policy.model_fields)


def test_nothing_is_overwritten(tmp_path):
    workbench("init", cwd=tmp_path)
    (tmp_path / "recipe.yaml").write_text("mine")
    done = workbench("init", cwd=tmp_path)
    told = "error: recipe.yaml: is there already, and nothing is overwritten\n  hint: name another file\n"
    assert (done.exit_code, done.stderr) == (2, told)
    assert (tmp_path / "recipe.yaml").read_text() == "mine"
    (tmp_path / "gate.yaml").write_text("latency: 0.01\n")
    assert workbench("init", "second.yaml", cwd=tmp_path).stdout == "second.yaml\n"  # by the same schema and policy
    assert (tmp_path / "gate.yaml").read_text() == "latency: 0.01\n"
    (tmp_path / "recipe.schema.json").write_text("{}")
    refused = workbench("init", "third.yaml", cwd=tmp_path)
    assert refused.stderr.startswith("error: recipe.schema.json: is there already")
    assert not (tmp_path / "third.yaml").exists()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("a b.yaml", "a b.yaml: found 'a b'; the recipe is named after it"),
        ("mine", "mine: found no suffix; needs a name that ends in .yaml"),
        ("mine.json", "mine.json: found .json; needs a name that ends in .yaml"),
        ("gate.yaml", "gate.yaml: that is the policy's name"),
        ("file/mine.yaml", "file: can't write there"),
    ],
)
def test_a_name_that_no_recipe_can_have(given, told, tmp_path):
    (tmp_path / "file").touch()
    done = workbench("init", given, cwd=tmp_path)
    assert done.exit_code == 2 and done.stderr.startswith(f"error: {told}"), done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
