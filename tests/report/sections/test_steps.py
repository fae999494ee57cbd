"""Reports of steps, whatever is in them, as facts and tables."""

from __future__ import annotations

from workbench.report.sections.steps import Table, groups


def test_lists_of_mappings_become_tables_and_the_rest_facts():
    (own,) = groups({"backend": "nncf", "none": None, "dropped": [{"block": "mid_block", "macs": 2e6}, {"block": "x"}]})
    assert own.facts == [("backend", "nncf")]
    rows = [[("mid_block", False), ("2.00 M", True)], [("x", False), ("–", False)]]
    assert own.tables == [Table("dropped", ["block", "MACs"], rows)]


def test_mappings_with_the_same_keys_share_a_table():
    (own,) = groups({"first_tenth": {"a": 1, "b": 2, "c": 3}, "last_tenth": {"a": 4, "b": 5, "c": 6}})
    (table,) = own.tables
    assert table.columns == ["", "first tenth", "last tenth"]
    assert table.rows[0] == [("a", False), ("1", True), ("4", True)]


def test_components_and_training_are_groups_of_their_own_and_curves_are_no_text():
    curve = [[0, {"loss": 1.0}], [1, {"loss": 0.5}]]
    report = {
        "scheme": "w4a16",
        "components": {"unet": {"layers_quantized": 182}, "vae_decoder": {"layers_quantized": 40}},
        "training": {"steps": 100, "curve": curve},
    }
    found = groups(report, {"curve"})
    assert [(g.title, g.facts) for g in found] == [
        ("", [("scheme", "w4a16")]),
        ("U-Net", [("layers quantized", "182")]),
        ("decoder", [("layers quantized", "40")]),
        ("training", [("steps", "100")]),
    ]


def test_components_that_are_no_reports_stay_facts():
    (found,) = groups({"components": ["unet"], "curve": []})
    assert found.facts == [("components", "unet")]
