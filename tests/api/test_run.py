"""A run from Python: the same figures as in its report, without computing anything."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from PIL import Image

import workbench as wb
from tests.fixtures.small_run import NAME
from workbench.api.run import _written
from workbench.store.tables import read_csv


@pytest.fixture(scope="module")
def ran(small_run):
    return wb.load(NAME, store=small_run / "store")


def test_the_ranking_is_the_tables_of_the_report(ran, small_run):
    beside = read_csv(small_run / "reports" / f"{NAME}.csv")
    pd.testing.assert_frame_equal(ran.ranking.replace("", float("nan")), beside, check_dtype=False)
    assert (ran.chosen, ran.name) == (beside[beside["chosen"]]["candidate"].item(), f"{NAME}@1")
    assert ran.report.read_bytes() == (small_run / "reports" / f"{NAME}.html").read_bytes()


def test_candidates_are_in_the_order_of_the_chain(ran):
    assert ran.candidates["parent"].dropna().to_dict() == {"pruned": "base", "w8a8": "pruned"}
    assert ran.candidates["lineage"].to_dict() == {"base": "", "pruned": "prune", "w8a8": "prune → quantize"}
    assert ran.candidates.index[ran.candidates["chosen"]].to_list() == [ran.chosen]
    assert ran.candidates["size_bytes"].is_monotonic_decreasing


def test_every_score_has_its_interval_and_number(ran):
    assert {"alignment", "psnr_db"} & {*ran.scores["metric"]}
    assert (ran.scores["low"] <= ran.scores["high"]).all() and (ran.scores["n"] > 0).all()
    wide = ran.ranking.set_index("candidate")
    for row in ran.scores.itertuples():
        assert row.value == wide.loc[row.candidate, row.metric]


def test_a_profile_is_a_row_and_its_layers_a_table(ran):
    assert ran.profiles[["candidate", "target"]].values.tolist() == [[n, "host"] for n in ran.candidates.index]
    assert (ran.profiles["latency_n"] >= 3).all()
    layers = ran.layers("w8a8")
    assert layers["macs"].sum() == ran.profiles.set_index("candidate").loc["w8a8", "macs"]
    with pytest.raises(wb.InputError, match=r"no profile w8a9@host; did you mean w8a8@host\?"):
        ran.layers("w8a9")


def test_pictures_lie_where_the_table_says(ran):
    assert ran.pictures.groupby("candidate").size().to_dict() == dict.fromkeys(("base", "pruned", "w8a8"), 4)
    assert all(Image.open(file).format == "PNG" for file in ran.pictures["file"])
    side = Image.open(ran.pictures["file"][0]).width
    assert ran.grid(["w8a8"], count=3).size == (3 * side, side)
    assert ran.grid(["w8a8"], count=1).tobytes() == Image.open(ran.pictures["file"][8]).convert("RGB").tobytes()


def test_a_notebook_shows_the_choice(ran):
    page = ran._repr_html_()
    assert f"ship <b>{ran.chosen}</b>" in page and "data:image/png;base64," in page
    assert page.count("<tr") == 1 + len(ran.ranking)
    assert page.count("<li>") == len(ran.finished.data.warnings)
    assert repr(ran) == f"<Run {NAME}@1: base, pruned, w8a8; ship {ran.chosen}>"


def test_running_again_finds_all_of_it(own_run):
    before = sorted((own_run / "store" / "results").iterdir())
    again = wb.run(own_run / f"{NAME}.yaml", store=own_run / "store", out=own_run, progress=False)
    assert again.name == f"{NAME}@1"
    assert sorted((own_run / "store" / "results").iterdir()) == before
    report = wb.check(
        own_run / f"{NAME}.yaml", {"quantize": {"scheme": "w4a16"}}, store=own_run / "store", progress=False
    )
    assert report.stored == {"pruned": True, "w4a16": False}


def test_a_run_that_is_not_there_is_told_by_name(small_run):
    with pytest.raises(wb.InputError, match="has no run 'smal'; did you mean small"):
        wb.load("smal", store=small_run / "store")


def test_overrides_are_written_as_the_command_takes_them():
    given = {"distill.steps": 20, "evaluate.prompts": None, "steps": [{"quantize": {"scheme": "w8a8"}}], "name": "a"}
    written = ["distill.steps=20", "evaluate.prompts=null", 'steps=[{"quantize": {"scheme": "w8a8"}}]', 'name="a"']
    assert _written(given) == written == _written(written)
    assert json.loads(written[2].partition("=")[2]) == given["steps"]
