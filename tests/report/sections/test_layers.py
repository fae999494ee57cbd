"""The layers of the page: joined on one key, and compact."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from workbench.report.sections.layers import gather, joined


def test_rows_of_one_layer_are_summed_and_the_slowest_gives_the_scheme():
    table = pd.DataFrame(
        {
            "component": ["unet"] * 3, "layer": ["a", "a", "b"], "op": ["Conv", "QuantizeLinear", "Conv"],
            "scheme": ["w8a8", "fp32", "fp32"], "latency_ms": [2.0, 1.0, 4.0], "macs": [10, None, 20],
            "params": [1, None, 2], "weight_bytes": [3, None, 4],
        }
    )  # fmt: skip
    rows = joined(table).set_index("layer")
    assert rows.latency_ms.to_dict() == {"a": 3.0, "b": 4.0}
    assert (rows.op["a"], rows.scheme["a"], rows.macs["a"]) == ("Conv + QuantizeLinear", "w8a8", 10)


def test_payload_holds_every_row_and_can_not_end_its_script(run, change):
    hostile = run.layer_table("host", "base").copy()
    hostile.loc[0, "layer"] = "</script><script>alert(1)"
    text = gather(change(layers={**run.layers, ("host", "base"): hostile}), None)
    assert "<" not in text
    data = json.loads(text)
    assert "unet\0</script><script>alert(1)" in data["names"]
    columns = data["profiles"]["host"]["base"]
    assert {len(column) for column in columns.values()} == {len(joined(hostile))}
    assert sum(columns["ms"]) == pytest.approx(hostile.latency_ms.sum(), rel=1e-3)


def test_a_path_of_a_csv_does_as_well_as_a_table(run, change, tmp_path):
    run.layer_table("host", "base").to_csv(tmp_path / "base.csv", index=False)
    read = change(layers={("host", "base"): tmp_path / "base.csv"}).layer_table("host", "base")
    assert len(read) == len(run.layer_table("host", "base"))
