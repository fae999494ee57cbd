"""The search as the step runs it, on a small U-Net of random weights: what it measures, chooses, saves and resumes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.fixtures import tiny_pipeline
from workbench.compress.registry import StepContext
from workbench.compress.remove_blocks.layouts import student_of
from workbench.compress.remove_blocks.search.damage import Damage, Notes
from workbench.compress.remove_blocks.step import RemoveBlocksConfig, remove_blocks
from workbench.errors import InputError
from workbench.models.families.stable_diffusion.layouts import LAYOUTS
from workbench.models.unet import load_unet
from workbench.progress import quiet
from workbench.runtimes.torch.counting import count_unet

SEARCH = {"prompts": 2, "pictures": 2, "steps": 2, "remeasure": 2}


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory, demo):
    """A pipeline whose U-Net has Stable Diffusion's four levels, two layers each, and a middle block."""
    import torch
    from diffusers import UNet2DConditionModel

    folder = tmp_path_factory.mktemp("pipeline")
    made = tiny_pipeline.make(folder, demo)
    torch.manual_seed(1)
    UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32, 32, 32),
        layers_per_block=2,
        down_block_types=(*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
        up_block_types=("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
        cross_attention_dim=16,
        attention_head_dim=2,
        norm_num_groups=8,
    ).save_pretrained(folder / "unet")
    return made


def config(**budget):
    return RemoveBlocksConfig(search={"budget": budget, **SEARCH})


@pytest.fixture(scope="module")
def searched(pipeline, shared, tmp_path_factory):
    """Result, context and config of one whole search."""
    out = tmp_path_factory.mktemp("search")
    ctx = StepContext(pipeline, pipeline, 0, None, out, out / "state", quiet, shared.export)
    asked = config(macs=0.6)
    return remove_blocks(ctx, asked), ctx, asked


def test_the_step_builds_what_the_search_chose_within_the_budget(searched, pipeline):
    result, ctx, _ = searched
    report = result.report["block_search"]
    chosen, counts = report["chosen"], result.report["macs_with_attention"]
    assert chosen["left"]["macs"] == pytest.approx(counts["after"] / counts["before"], rel=1e-12)
    assert chosen["left"]["macs"] <= 0.6
    lost = result.report["params"]["before"] - result.report["params"]["after"]
    assert sum(row["params"] for row in result.report["dropped"]) == lost
    assert [row["block"] for row in result.report["dropped"]] == chosen["dropped"]
    student = load_unet(result.components["unet"].path)
    assert count_unet(dict(student.config)).params == result.report["params"]["after"]
    by_hand = remove_blocks(
        replace(ctx, out=ctx.out.parent / "by_hand"), RemoveBlocksConfig(blocks=list(chosen["dropped"]))
    )
    other = load_unet(by_hand.components["unet"].path).state_dict()
    assert all(np.array_equal(value, other[name]) for name, value in student.state_dict().items())


def test_no_measured_set_within_the_budget_has_less_error(searched):
    report = searched[0].report["block_search"]
    fitting = [tried["error"] for tried in report["tried"] if tried["left"]["macs"] <= 0.6]
    assert report["chosen"]["error"]["value"] == min(fitting)
    assert report["path"][-1]["left"]["macs"] <= 0.6 < report["path"][-2]["left"]["macs"]
    assert {tuple(sorted(row["left"])) for row in report["path"]} == {("latency", "macs", "params")}


def test_the_reported_damage_is_that_of_the_saved_student(searched, tmp_path):
    """The student is read from its files, and compared with the parent on inputs made anew."""
    result, ctx, asked = searched
    damage = Damage(ctx, asked.search, Notes(tmp_path / "notes.jsonl"))
    student = load_unet(result.components["unet"].path)
    own, parent = (damage._probe.outputs(u, damage._inputs).numpy() for u in (student, damage.unet))
    error = ((own - parent) ** 2).sum((2, 3, 4)) / (parent**2).sum((2, 3, 4))
    chosen = result.report["block_search"]["chosen"]
    assert error.shape == (2, 2)
    assert chosen["error"]["value"] == pytest.approx(error.mean(), rel=1e-5) and chosen["error"]["n"] == 4
    sqnr = dict(zip(chosen["sqnr_db"], (-10 * np.log10(error)).mean(1), strict=True))
    assert chosen["sqnr_db"] == pytest.approx(sqnr, rel=1e-4)


def test_every_block_has_damage_by_timestep_and_gain(searched):
    report = searched[0].report["block_search"]
    json.dumps(report)
    assert len(report["blocks"]) == 38
    for row in report["blocks"]:
        assert list(row["sqnr_db"]) == [str(t) for t in report["timesteps"]]
        assert row["params"] > 0 and row["macs"] > 0 and row["ms"]["value"] > 0 and row["ms"]["n"] == 20
        assert row["psnr_db"]["n"] == 2 and "alignment" not in row  # this model brings no scorer
    assert sum(row["ms"]["value"] for row in report["blocks"]) < report["parent"]["ms"]["value"]
    assert {row["why"] for row in report["left_out"]} == {"changes the resolution"}


def test_bk_sdms_layouts_stand_beside_the_path(searched, pipeline):
    report = searched[0].report["block_search"]
    whole = json.loads((pipeline.components["unet"].path / "config.json").read_text())
    assert [row["layout"] for row in report["bk"]] == ["bk-base", "bk-small", "bk-tiny"] and report["bk_left_out"] == []
    for row in report["bk"]:
        student = count_unet(student_of(whole, LAYOUTS[row["layout"]]).config).params
        assert row["left"]["params"] == pytest.approx(student / report["parent"]["params"], rel=1e-12)
        assert row["error"]["value"] > 0 and row["psnr_db"]["n"] == 2
    taken = {row["block"]: row["bk"] for row in report["blocks"]}
    assert taken["down_blocks.0.resnets.1"] == ["bk-base", "bk-small", "bk-tiny"]
    assert taken["mid_block.attentions.0"] == ["bk-small", "bk-tiny"] and taken["up_blocks.0.resnets.2"] == ["bk-tiny"]
    assert taken["up_blocks.3.resnets.0"] == []


class Killed(Exception):
    """In place of the signal."""


@pytest.mark.long
def test_a_killed_search_goes_on_where_it_was(searched, tmp_path):
    result, ctx, asked = searched
    lines = (ctx.state / "block_search.jsonl").read_text().splitlines()
    again = replace(ctx, out=tmp_path, state=tmp_path / "state")
    again.state.mkdir()
    kept = len(lines) // 2
    noted = again.state / "block_search.jsonl"
    noted.write_text("\n".join([*lines[:kept], lines[kept][:40]]))  # killed in the middle of a line
    resumed = remove_blocks(again, asked)
    assert resumed.report == result.report
    assert noted.read_text().splitlines() == lines


def test_what_is_noted_is_not_measured_again(tmp_path):
    notes = Notes(tmp_path / "notes.jsonl")
    assert notes.get("a", lambda: {"error": 0.5}) == {"error": 0.5}

    def never():
        raise Killed

    assert Notes(tmp_path / "notes.jsonl").get("a", never) == {"error": 0.5}
    with pytest.raises(Killed):
        notes.get("b", never)
    assert len((tmp_path / "notes.jsonl").read_text().splitlines()) == 1


def test_a_budget_out_of_reach_is_refused_before_anything_is_measured(searched, tmp_path):
    asked = config(latency=0.01)  # only the profile knows: the recipe's check can't
    ctx = replace(searched[1], out=tmp_path / "out", state=tmp_path / "out" / "state")
    with pytest.raises(InputError, match=r"budget\.latency: 0\.01 can't be reached .* of the kernel time is left"):
        remove_blocks(ctx, asked)
    assert len((ctx.state / "block_search.jsonl").read_text().splitlines()) == 1
