"""Consistency distillation's parts against the published values."""

from __future__ import annotations

import pytest
import torch

from workbench.training.consistency import Grid, boundary, huber


def alphas() -> torch.Tensor:
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    return torch.cumprod(1 - betas, 0)


def test_the_boundary_keeps_the_input_at_zero_and_only_there():
    skip, out = boundary(torch.tensor([0, 19, 259]))
    assert (skip[0], out[0]) == (1.0, 0.0)
    assert skip[1].item() == pytest.approx(6.93e-6, rel=1e-3) and out[1].item() == pytest.approx(0.9999965, abs=1e-7)
    assert skip[2].item() == pytest.approx(3.7e-8, rel=1e-2) and out[2].item() == pytest.approx(1.0)


def test_the_grid_is_19_39_to_999_and_ends_at_zero():
    grid = Grid(alphas())
    assert grid.skip == 20 and grid.starts.tolist() == list(range(19, 1000, 20))
    assert grid.ends(grid.starts).tolist() == [0, *range(19, 980, 20)]


def test_a_step_of_the_solver_with_the_true_noise_leads_along_the_trajectory():
    grid, generator = Grid(alphas()), torch.Generator().manual_seed(0)
    clean, noise = (torch.randn(3, 4, 2, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    index = torch.tensor([0, 7, 49])
    found = grid.ddim(clean, noise, index)
    alpha = torch.stack([grid.alphas[0], grid.alphas[139], grid.alphas[979]]).double().view(3, 1, 1, 1)
    assert torch.allclose(found, alpha.sqrt() * clean + (1 - alpha).sqrt() * noise)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_outputs_mean_the_same_picture_and_noise_in_every_parameterisation(prediction):
    grid, generator = Grid(alphas()), torch.Generator().manual_seed(0)
    clean, noise = (torch.randn(2, 4, 2, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    t = torch.tensor([19, 499])
    alpha = grid.alphas[t].double().view(2, 1, 1, 1)
    noisy = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
    velocity = alpha.sqrt() * noise - (1 - alpha).sqrt() * clean
    output = {"epsilon": noise, "v_prediction": velocity, "sample": clean}[prediction]
    found = grid.split(output, noisy, t, prediction)
    assert torch.allclose(found[0], clean) and torch.allclose(found[1], noise)


def test_huber_is_nearly_the_absolute_difference_and_smooth_at_zero():
    a = torch.tensor([1.0], requires_grad=True)
    huber(a, torch.tensor([1.0])).backward()
    assert a.grad is not None and a.grad.item() == 0.0
    assert huber(torch.tensor([1.0]), torch.tensor([0.0])).item() == pytest.approx(0.999, abs=1e-5)
    assert huber(torch.tensor([2.0]), torch.tensor([0.0]), "l2").item() == 4.0
