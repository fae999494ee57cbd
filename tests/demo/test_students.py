"""What of a run is shipped with the package: the weights as trained but for rounding, and where they came from."""

from __future__ import annotations

from dataclasses import replace

import torch

from workbench.demo.students import pack
from workbench.models.candidate import Component
from workbench.models.record import write_record
from workbench.models.unet import load_unet, save_unet
from workbench.store.store import Store


def test_shipped_weights_are_the_trained_ones_in_half_precision(tiny, tmp_path):
    trained = load_unet(tiny.components["unet"].path)
    with torch.no_grad():
        trained.conv_out.bias += 0.1234567
    store = Store(tmp_path / "store")
    folder = store.folder("a" * 8) / "unet"
    save_unet(trained, folder, None)
    (folder.parent / "loss.jsonl").write_text('{"step": 0, "loss": 1.0}\n')
    components = {**tiny.components, "unet": Component("unet", "torch", folder)}
    few = replace(tiny, name="few", key="a" * 8, parent="base", teacher="base", components=components)
    write_record(store, "edgefusion", [tiny, replace(few, report={"steps": 9})])

    facts = pack(store, tmp_path / "students", names=["few"])["students"]["few"]
    assert (facts["made_from"], facts["teacher_name"], facts["optimiser_steps"]) == ("base", "base", 9)
    assert facts["sha256"] != facts["sha256_fp32"]
    shipped = load_unet(tmp_path / "students" / "few").state_dict()
    assert all(torch.equal(shipped[name], value.half().float()) for name, value in trained.state_dict().items())
    assert (tmp_path / "students" / "few" / "loss.jsonl").read_text().startswith('{"step": 0')
