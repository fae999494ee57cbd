"""LPIPS: torchmetrics' number with the same convolutions.

torchmetrics takes its convolutions from torchvision, which can't be installed beside our torch. So its ``_LPIPS`` is
made with the layers of both networks written out here as torchvision numbers them; everything else is its own: scaling,
slices, normalisation and the trained linear heads.
"""

from __future__ import annotations

import pytest

from tests.metrics.asked.folders import pictures, told
from workbench.metrics.asked.lpips import Lpips
from workbench.metrics.drawn import Drawn


def torchvisions(net: str):
    """``alexnet().features`` and ``vgg16().features``."""
    from torch.nn import Conv2d, MaxPool2d, ReLU, Sequential

    if net == "alex":
        layers = [Conv2d(3, 64, 11, 4, 2), ReLU(), MaxPool2d(3, 2), Conv2d(64, 192, 5, padding=2), ReLU()]
        layers += [MaxPool2d(3, 2), Conv2d(192, 384, 3, padding=1), ReLU(), Conv2d(384, 256, 3, padding=1), ReLU()]
        return Sequential(*layers, Conv2d(256, 256, 3, padding=1), ReLU(), MaxPool2d(3, 2))
    layers, width = [], 3
    for block in ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)):
        for wide in block:
            layers += [Conv2d(width, wide, 3, padding=1), ReLU()]
            width = wide
        layers.append(MaxPool2d(2, 2))
    return Sequential(*layers)


@pytest.fixture
def network(monkeypatch, tmp_path):
    """torchmetrics' network of a kind, and the file of its convolutions as torchvision would save them."""
    import torch
    from torchmetrics.functional.image import lpips

    def made(net: str):
        torch.manual_seed(0)
        features = torchvisions(net)
        monkeypatch.setattr(lpips, "_get_tv_model_features", lambda _net, _pretrained: features)
        file = tmp_path / f"{net}.pth"
        more = {"classifier.1.weight": torch.zeros(1)}
        torch.save({**{f"features.{k}": v for k, v in features.state_dict().items()}, **more}, file)
        load = torch.load
        monkeypatch.setattr(
            torch, "load", lambda *a, **k: load(*a, **{"map_location": "cpu", "weights_only": True, **k})
        )
        return lpips._NoTrainLpips(net=net), file

    return made


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_every_picture_has_the_distance_that_torchmetrics_gives_it(network, net):
    import torch
    from torchmetrics.functional.image.lpips import _lpips_update

    theirs, file = network(net)
    own, reference = pictures(9, 64), pictures(9, 64, seed=2)
    own[0] = reference[0]
    config = Lpips(weights=str(file), net=net)
    assert told(config) == []
    metric = config.metric("lpips")
    found = metric.measure(Drawn(own, reference=Drawn(reference)))
    a, b = (torch.from_numpy(rows).permute(0, 3, 1, 2) / 255 for rows in (own, reference))
    each = _lpips_update(a, b, theirs, normalize=True).detach().numpy()
    assert found["by_picture"] == pytest.approx(each, abs=1e-5) and found["value"] == pytest.approx(each.mean(), 1e-5)
    assert found["by_picture"][0] == 0 and each[1:].min() > 1e-3
    assert metric.measure(Drawn(reference)) is None, "the reference has none"


def test_two_networks_are_two_metrics_and_one_is_not_taken_for_the_other(network, tmp_path):
    _, file = network("alex")
    alex, vgg = (Lpips(weights=str(file), net=net) for net in ("alex", "vgg"))
    (problem,) = told(vgg)
    assert "not the weights of torchvision's VGG16: features.0.weight should be (64, 3, 3, 3)" in problem
    metrics = [config.metric("lpips") for config in (alex, vgg)]
    assert metrics[0].about != metrics[1].about and all(len(metric.files) == 2 for metric in metrics)
    assert metrics[0].protocol == "v0.1, AlexNet of alex.pth, at the pictures' own size"
    assert told(Lpips(weights=str(tmp_path / "gone.pth"), net="alex"))[0].startswith("weights: found")
