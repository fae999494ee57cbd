"""Any JSON in plain words: units by the names of keys, before and after as a change."""

from __future__ import annotations

from workbench.report.plain import by_key, plain


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


def test_keys_read_as_words():
    assert [plain(k) for k in ("macs_with_attention", "weight_bytes", "weights_sha256")] == [
        "MACs with attention",
        "weight",
        "weights SHA-256",
    ]
