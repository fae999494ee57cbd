"""Reports of steps, whatever is in them, as facts and tables."""

from __future__ import annotations

from workbench.report.sections.facts import by_key, plain, report_groups, report_parts


def test_units_follow_from_the_names_of_keys():
    given = [
        ("latency_ms", 12.34),
        ("weight_bytes", 2_000_000),
        ("seconds", 150.0),
        ("quantized_macs_share", 0.962),
        ("macs", 3e9),
        ("psnr_db", 17.0),
        ("steps", 300),
    ]
    assert [by_key(value, key) for key, value in given] == [
        "12.3 ms",
        "2.00 MB",
        "2.5 min",
        "96 %",
        "3.00 G",
        "17.0 dB",
        "300",
    ]


def test_before_and_after_read_as_a_change():
    assert by_key({"before": 10_000_000, "after": 5_000_000}, "params") == "10.0 M → 5.00 M (−50 %)"


def test_values_inside_a_mapping_have_its_unit_but_counts_have_none():
    assert by_key({"macs": 0.95, "weights": 0.5}, "int8_share") == "MACs 95 %, weights 50 %"
    assert by_key({"median": 30.0, "n": 24, "by_timestep": {"39": 25.0}}, "sqnr_db") == (
        "median 30.0 dB, n 24, by timestep 39: 25.0 dB"
    )


def test_lists_of_mappings_become_tables_and_the_rest_facts():
    parts = report_parts(
        {"backend": "nncf", "none": None, "dropped": [{"block": "mid_block", "macs": 2e6}, {"block": "x"}]}
    )
    assert parts["facts"] == [("backend", "nncf")]
    assert parts["tables"] == [
        {
            "title": "dropped",
            "columns": ["block", "MACs"],
            "rows": [[("mid_block", False), ("2.00 M", True)], [("x", False), ("–", False)]],
        }
    ]


def test_mappings_with_the_same_keys_share_a_table():
    parts = report_parts({"first_tenth": {"a": 1, "b": 2, "c": 3}, "last_tenth": {"a": 4, "b": 5, "c": 6}})
    (table,) = parts["tables"]
    assert table["columns"] == ["", "first tenth", "last tenth"]
    assert table["rows"][0] == [("a", False), ("1", True), ("4", True)]


def test_keys_read_as_words():
    assert [plain(k) for k in ("macs_with_attention", "weight_bytes", "weights_sha256")] == [
        "MACs with attention",
        "weight",
        "weights SHA-256",
    ]


def test_components_and_training_are_groups_of_their_own_and_curves_are_no_text():
    curve = [[0, {"loss": 1.0}], [1, {"loss": 0.5}]]
    found = report_groups(
        {
            "scheme": "w4a16",
            "components": {"unet": {"layers_quantized": 182}, "vae_decoder": {"layers_quantized": 40}},
            "training": {"steps": 100, "curve": curve},
        }
    )
    assert [(g["title"], g["facts"]) for g in found] == [
        ("", [("scheme", "w4a16")]),
        ("U-Net", [("layers quantized", "182")]),
        ("decoder", [("layers quantized", "40")]),
        ("training", [("steps", "100")]),
    ]


def test_components_that_are_no_reports_stay_facts():
    (found,) = report_groups({"components": ["unet"], "curve": []})
    assert found["facts"] == [("components", "unet")]
