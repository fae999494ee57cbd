"""The embedded model measured on this machine, once for all tests of profiles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.fixtures.shared import Shared
from workbench.measure.network import network_of
from workbench.measure.record import Record, from_json, to_json
from workbench.models.candidate import Candidate, Component
from workbench.models.families.stable_diffusion import FAMILY
from workbench.profile.counts import count_networks
from workbench.profile.host import Settings, measure_host
from workbench.profile.read import ReadProfile, read_profile
from workbench.profile.write import write_profile
from workbench.progress import quiet
from workbench.store.store import Store


@pytest.fixture(scope="session")
def records(shared: Shared, demo_candidate: Candidate, exported: dict[str, Path], quantized_unet: Path) -> list[Record]:
    """``base`` and ``w8a8`` (its U-Net quantized) on ONNX Runtime, ``base`` on PyTorch."""

    def measure(folder: Path) -> None:
        folder.mkdir()
        unet = Component("unet", "onnx", quantized_unet, "w8a8")
        components = {**demo_candidate.components, "unet": unet}
        int8 = replace(demo_candidate, name="w8a8", components=components, lineage=("quantize",))
        files = {"base": exported, "w8a8": {**exported, "unet": quantized_unet}}
        networks = [network_of(c, n, files[c.name][n], 7) for c in (demo_candidate, int8) for n in FAMILY.names]
        settings = Settings(("onnxruntime", "torch"), threads=1, iterations=3, min_seconds=0.0, warmup=1)
        measured = measure_host(networks, count_networks(networks), settings, 7, Store(folder / "store"), quiet)
        for i, record in enumerate(measured):
            (folder / f"{i}.json").write_bytes(to_json(record))

    folder = shared.made("records", measure)
    return [from_json(file.read_bytes()) for file in sorted(folder.glob("*.json"))]


@pytest.fixture(scope="session")
def stored(records: list[Record], tmp_path_factory: pytest.TempPathFactory) -> ReadProfile:
    """The profile of two components on ONNX Runtime."""
    out = tmp_path_factory.mktemp("stored")
    parts = {name: records[0].components[name] for name in ("text_encoder", "vae_decoder")}
    write_profile(out, replace(records[0], components=parts), None, [])
    return read_profile(out / "base@host.json")
