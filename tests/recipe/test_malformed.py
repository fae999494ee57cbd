"""Every malformed recipe ends in one message with file, line and key, exit code 2, and nothing written.

A recipe in ``malformed/`` tells its message in its first line: FILE is the recipe's path, HERE the current folder.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.fixtures.command import COMMAND, process, workbench
from workbench.compress.registry import steps
from workbench.models.families.stable_diffusion.configs import UNetConfig
from workbench.models.families.stable_diffusion.tensors import of_unet

MALFORMED = Path(__file__).parent / "malformed"
WEIGHTS = "unet/diffusion_pytorch_model.safetensors"


def lacks_component(own: Path) -> None:
    for file in (own / "vae").iterdir():
        file.unlink()
    (own / "vae").rmdir()


def no_scorer(own: Path) -> None:
    shutil.rmtree(own / "scorer")


def truncated_weights(own: Path) -> None:
    start = (own / WEIGHTS).read_bytes()[:1_000_000]
    (own / WEIGHTS).unlink()
    (own / WEIGHTS).write_bytes(start)


def pickled_weights(own: Path) -> None:
    (own / WEIGHTS).unlink()
    (own / WEIGHTS).with_suffix(".bin").write_bytes(b"\x80\x04.")


def unet_without_the_blocks(own: Path) -> None:
    config = json.loads((own / "unet" / "config.json").read_text())
    shallow = {key: config[key][-3:] for key in ("block_out_channels", "down_block_types", "up_block_types")}
    (own / "unet" / "config.json").unlink()
    (own / "unet" / "config.json").write_text(json.dumps(config | shallow))
    (own / WEIGHTS).unlink()
    shapes = of_unet(UNetConfig.model_validate(config | shallow))
    save_file({name: np.zeros(shape, np.float16) for name, shape in shapes.items()}, own / WEIGHTS)


def teacher_of_another_latent_space(own: Path) -> None:
    config = json.loads((own / "unet" / "config.json").read_text())
    (own / "unet" / "config.json").unlink()
    (own / "unet" / "config.json").write_text(json.dumps(config | {"sample_size": 8}))


BREAK = {
    f.__name__: f
    for f in (
        lacks_component,
        no_scorer,
        truncated_weights,
        pickled_weights,
        unet_without_the_blocks,
        teacher_of_another_latent_space,
    )
}


def told_in(recipe: Path, here: Path) -> str:
    text = recipe.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
    return text.replace("FILE", "recipe.yaml").replace("HERE", str(here)).replace("STEPS", ", ".join(steps()))


def tree(folder: Path) -> dict[str, int]:
    return {str(f): f.lstat().st_mtime_ns for f in folder.rglob("*")}


@pytest.mark.parametrize("recipe", sorted(MALFORMED.rglob("*.yaml")), ids=lambda recipe: recipe.stem)
def test_one_message_and_nothing_written(recipe: Path, tmp_path: Path, own_model: Callable[[], Path]) -> None:
    if recipe.stem in BREAK:
        BREAK[recipe.stem](own_model())
    (tmp_path / "recipe.yaml").write_bytes(recipe.read_bytes())
    before = tree(tmp_path)

    result = workbench("check", "recipe.yaml", cwd=tmp_path)

    assert result.stderr == told_in(recipe, tmp_path) + "\n"
    assert result.stdout == ""
    assert result.exit_code == 2
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["negative_steps", "tab", "unknown_block"])
def test_run_ends_so_too(name: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_bytes((MALFORMED / f"{name}.yaml").read_bytes())
    done = workbench("run", "recipe.yaml", cwd=tmp_path)

    assert done.stderr == told_in(MALFORMED / f"{name}.yaml", tmp_path) + "\n"
    assert (done.exit_code, done.stdout) == (2, "")
    assert [f.name for f in tmp_path.iterdir()] == ["recipe.yaml"]


@pytest.mark.parametrize("verb", ["check", "run"])
def test_both_verbs_end_so_as_a_process(verb: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_bytes((MALFORMED / "tab.yaml").read_bytes())
    done = process([*COMMAND, verb, "recipe.yaml"], cwd=tmp_path)

    assert done.stderr == told_in(MALFORMED / "tab.yaml", tmp_path) + "\n"
    assert (done.returncode, done.stdout) == (2, "")


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "bk_tiny.yaml").write_text("version: 1\n")
    done = workbench("run", "bk_tny.yaml", cwd=tmp_path)

    assert done.stderr == "error: bk_tny.yaml: no such file; did you mean bk_tiny.yaml?\n"
    assert done.exit_code == 2


def test_several_errors_in_one_message_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = "version: 1\nname: a b\nmodel: demo\nseed: x\nsteps:\n  - distill: {lr: 3, batch: 0}\n"
    (tmp_path / "recipe.yaml").write_text(text)
    done = workbench("check", "recipe.yaml", cwd=tmp_path)

    assert done.stderr.splitlines() == [
        "error: recipe.yaml:2: name: found the text 'a b'; needs text that matches ^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        "recipe.yaml:4: seed: found the text 'x'; needs a whole number",
        "recipe.yaml:6: steps.0.distill.batch: found 0; needs a number ≥ 1",
        "recipe.yaml:6: steps.0.distill.lr: found 3; needs a number < 1",
    ]
    assert done.exit_code == 2


def test_a_store_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("version: 1\nname: x\nmodel: demo\n")
    (tmp_path / "file").write_text("")
    before = tree(tmp_path)
    done = workbench("run", "recipe.yaml", "--store", "file/store", cwd=tmp_path)

    why = f"can't write there ({tmp_path}/file is not a folder); name another folder with --store"
    assert done.stderr == f"error: {tmp_path}/file/store: {why}\n"
    assert done.exit_code == 2
    assert tree(tmp_path) == before


def test_profiles_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("version: 1\nname: x\nmodel: demo\n")
    (tmp_path / "profiles").write_text("in the way")
    done = workbench("check", "recipe.yaml", cwd=tmp_path)

    why = f"can't write there ({tmp_path}/profiles is not a folder); name another folder with --out"
    assert done.stderr == f"error: {tmp_path}/profiles/x: {why}\n"
    assert done.exit_code == 2


def test_a_folder_where_the_report_goes(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("version: 1\nname: x\nmodel: demo\n")
    (tmp_path / "reports" / "x.html").mkdir(parents=True)
    done = workbench("check", "recipe.yaml", cwd=tmp_path)

    assert done.stderr.startswith(f"error: {tmp_path}/reports/x.html: is a folder; ")
    assert done.exit_code == 2
