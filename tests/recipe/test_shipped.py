"""Recipes that come with the package are found by name, wherever one is."""

from __future__ import annotations

from pathlib import Path

from tests import ROOT
from tests.fixtures.command import workbench
from workbench.recipe.load import load_recipe
from workbench.recipe.shipped import names


def test_every_recipe_of_the_repository_comes_with_the_package():
    assert names() == sorted(file.stem for file in (ROOT / "recipes").glob("*.yaml"))
    for name in names():
        assert load_recipe(Path(name)).text == (ROOT / "recipes" / f"{name}.yaml").read_text()


def test_a_file_of_that_name_goes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("bk_tiny_w8a8").mkdir()  # a folder is no recipe
    assert load_recipe(Path("bk_tiny_w8a8")).recipe.name == "bk_tiny_w8a8"
    Path("two_steps").write_text("version: 1\nname: mine\nmodel: demo\nsteps: [remove_blocks: {layout: bk-tiny}]\n")
    assert load_recipe(Path("two_steps")).recipe.name == "mine"


def test_a_name_leads_to_no_other_folder(tmp_path):
    for given in ("../recipes/bk_tiny_w8a8", "recipes/bk_tiny_w8a8", "/bk_tiny_w8a8"):
        done = workbench("check", given, cwd=tmp_path)
        told = f"error: {given}: no such file; did you mean bk_tiny_w8a8?\n"
        assert (done.exit_code, done.stderr) == (2, told)


def test_a_name_written_wrongly_is_told_what_was_meant(tmp_path):
    done = workbench("check", "bk_tny_w8a8", cwd=tmp_path)
    assert (done.exit_code, done.stderr) == (2, "error: bk_tny_w8a8: no such file; did you mean bk_tiny_w8a8?\n")
    assert list(tmp_path.iterdir()) == []


def test_its_paths_follow_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_recipe(Path("sd15_bk_tiny_w8a8")).recipe.evaluate.prompts == "prompts.txt"
    done = workbench("check", "sd15_bk_tiny_w8a8", "--set", "model=demo", cwd=tmp_path)
    assert done.stderr.startswith("error: sd15_bk_tiny_w8a8:")
    assert f"no such file ({tmp_path / 'prompts.txt'})" in done.stderr
