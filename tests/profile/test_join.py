"""The same layer in several profiles side by side: none is lost, and what one doesn't have isn't zero."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from workbench.errors import InputError
from workbench.profile.join import join, join_profiles, pick

HERE, THERE = ("base", "onnxruntime", "host"), ("w8a8", "openvino", "host-openvino")


def table(*rows):
    return pd.DataFrame(rows, columns=["component", "layer", "op", "latency_ms"])


@pytest.fixture
def profiles(tmp_path):
    first = table(("unet", "a", "Conv", 1.0), ("unet", "null", "Add", 2.0), ("vae_decoder", "a", "Conv", 3.0))
    second = table(("unet", "b", "Conv", 5.0), ("unet", "a", "Conv", 0.5)).assign(peak_bytes=[7, 8])
    paths = []
    for (candidate, runtime, target), rows in ((HERE, first), (THERE, second)):
        paths.append(tmp_path / f"{candidate}@{target}.csv")
        rows.to_csv(paths[-1], index=False)
        place = {"candidate": candidate, "runtime": runtime, "target": target}
        paths[-1].with_suffix(".json").write_text(json.dumps(place))
    return paths


def test_every_layer_of_every_profile_has_a_row(profiles):
    joined = join_profiles(profiles)
    assert list(joined.index) == [("unet", "a"), ("unet", "null"), ("vae_decoder", "a"), ("unet", "b")]
    assert joined.columns.names == ["metric", "candidate", "runtime", "target"]
    assert joined.loc[("unet", "a"), ("latency_ms", *HERE)] == 1.0
    assert joined.loc[("unet", "a"), ("latency_ms", *THERE)] == 0.5
    assert joined[("latency_ms", *THERE)].isna().tolist() == [False, True, True, False]
    assert ("peak_bytes", *HERE) not in joined.columns


def test_one_metric_is_picked_for_all_or_some(profiles):
    joined = join_profiles(profiles)
    found = pick(joined, "latency_ms")
    assert list(found.columns) == [HERE, THERE]
    assert (found[THERE] / found[HERE]).dropna().tolist() == [0.5]
    assert pick(joined, "op", [THERE])[THERE].dropna().tolist() == ["Conv", "Conv"]
    with pytest.raises(InputError, match="no profile has 'latency'"):
        pick(joined, "latency")
    with pytest.raises(InputError, match="no profile of base/onnxruntime/host has 'peak_bytes'"):
        pick(joined, "peak_bytes", [HERE])


def test_what_cannot_be_joined_is_refused(profiles, tmp_path):
    with pytest.raises(InputError, match="no profile to join"):
        join({})
    with pytest.raises(InputError, match="two profiles of base/onnxruntime/host"):
        join_profiles([profiles[0], profiles[0]])
    with pytest.raises(InputError, match=r"none\.csv: not a profile"):
        join_profiles([tmp_path / "none.csv"])
    with pytest.raises(InputError, match="layer 'a' of unet is in it twice"):
        join({HERE: table(("unet", "a", "Conv", 1.0), ("unet", "a", "Add", 1.0))})
    profiles[0].write_text("x,y\n1,2\n")
    with pytest.raises(InputError, match="no column component, layer"):
        join_profiles(profiles)
