"""FID: torchmetrics' number on the same features, and no other network taken for FID's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.metrics.asked.folders import pictures, told, write_pictures
from workbench.metrics.asked.fid import Fid
from workbench.metrics.drawn import Drawn
from workbench.metrics.networks.inception import Inception, shapes
from workbench.metrics.networks.state import read_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Random ones of the right shapes: convolutions that neither fade nor explode, normalisation off its neutral."""
    import torch

    torch.manual_seed(0)
    state = {}
    for name, shape in shapes().items():
        scale = (2 / np.prod(shape[1:])) ** 0.5 if len(shape) > 1 else 0.3
        positive = name.endswith(("running_var", "bn.weight"))
        state[name] = torch.rand(shape) + 0.5 if positive else torch.randn(shape) * scale
    file = tmp_path_factory.mktemp("fid") / "inception.pth"
    torch.save(state, file)
    return file


def test_the_value_is_torchmetrics_on_the_same_network(weights, tmp_path):
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance

    network = Inception(read_weights(weights))

    class Module(torch.nn.Module):
        num_features = 2048

        def forward(self, x):
            return network(x.permute(0, 2, 3, 1).numpy()).double()

    own, real = pictures(4), 255 - pictures(5, seed=3) // 2
    theirs = FrechetInceptionDistance(feature=Module())
    for rows, is_real in ((own, False), (real, True)):
        theirs.update(torch.from_numpy(rows).permute(0, 3, 1, 2), real=is_real)
    metric = Fid(weights=str(weights), reference=str(write_pictures(tmp_path / "real", real))).metric("fid")
    found = metric.measure(Drawn(own))
    assert found["value"] == pytest.approx(theirs.compute().item(), rel=1e-5)
    assert found["low"] < found["value"] < found["high"] and (found["n"], found["against"]) == (4, 5)
    assert metric.protocol == "Inception of inception.pth at 299 px, to 5 pictures"


def test_pictures_are_stretched_from_their_corners_as_tensorflow_1_does_it():
    import torch

    from workbench.metrics.networks.inception import _stretched

    row = _stretched(torch.tensor([0.0, 299.0]).reshape(1, 1, 1, 2), 3).flatten()
    assert torch.allclose(row[:150], torch.arange(150) * 2.0, atol=1e-3) and (row[150:] == 299).all()


def npz(file: Path, **arrays) -> Path:
    np.savez(file, **arrays)
    return file


def test_a_reference_that_can_not_be_held_against_is_refused(weights, tmp_path):
    def says(reference: Path) -> str:
        (problem,) = told(Fid(weights=str(weights), reference=str(reference)))
        return problem

    assert "no such folder" in says(tmp_path / "gone") and "no such file" in says(tmp_path / "gone.npz")
    assert "found 3 pictures" in says(write_pictures(tmp_path / "few", pictures(3)))
    assert "found mean, sigma; needs finite mu [2048]" in says(npz(tmp_path / "a.npz", mean=1, sigma=1))
    assert "found mu [64] and sigma [64, 64]" in says(npz(tmp_path / "b.npz", mu=np.ones(64), sigma=np.eye(64)))
    assert "aren't finite" in says(npz(tmp_path / "c.npz", mu=np.ones(2048) * np.nan, sigma=np.eye(2048)))
    (tmp_path / "d.npz").write_bytes(b"no zip")
    assert "can't be read as .npz" in says(tmp_path / "d.npz")
    good = npz(tmp_path / "e.npz", mu=np.zeros(2048), sigma=np.eye(2048))
    config = Fid(weights=str(weights), reference=str(good))
    assert told(config) == [] and config.metric("fid").protocol.endswith("to e.npz")


def test_weights_of_another_network_are_not_taken_for_fids(weights, tmp_path):
    import torch
    from safetensors.torch import save_file

    reference = npz(tmp_path / "real.npz", mu=np.zeros(2048), sigma=np.eye(2048))

    def says(file: Path) -> str:
        (problem,) = told(Fid(weights=str(file), reference=str(reference)))
        assert "\n" not in problem
        return problem.removeprefix("weights: ")

    torchvisions = {**read_weights(weights), "fc.weight": torch.zeros(1000, 2048)}
    save_file(torchvisions, tmp_path / "torchvision.safetensors")
    assert "fc.weight should be (1008, 2048), found (1000, 2048)" in says(tmp_path / "torchvision.safetensors")
    torch.save({"epoch": 3, "model": torchvisions["fc.weight"]}, tmp_path / "nested.pth")
    assert "needs a state dict" in says(tmp_path / "nested.pth")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "code.pth")
    assert "no torch file of tensors alone" in says(tmp_path / "code.pth")
    (tmp_path / "cut.pth").write_bytes(weights.read_bytes()[:5000])
    assert "cut.pth" in says(tmp_path / "cut.pth")
    assert "no such file" in says(tmp_path / "gone.pth") and "is a folder" in says(tmp_path)


def test_few_pictures_are_said_to_bias_it(tmp_path):
    write_pictures(tmp_path / "real", pictures(3))
    config = Fid(weights="w.pth", reference=str(tmp_path / "real"))
    assert [what.partition(";")[0] for _, what in config.doubts(128)] == [
        "128 pictures are drawn",
        "3 pictures are in the reference",
    ]
    assert all("FID of fewer than 2,048 pictures is biased" in what for _, what in config.doubts(128))
    assert len([*config.doubts(5000)]) == 1 and [*Fid(weights="w", reference="r.npz").doubts(2048)] == []
