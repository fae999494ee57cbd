"""The training loop on a small regression: schedule, resume, what a bad loss does."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import pytest
import torch
from safetensors import safe_open

from workbench.errors import RunError
from workbench.training.loop import Schedule, step_rng, train


def problem(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return torch.nn.Linear(4, 1)


def loss_of(model, _step, rng):
    x = torch.from_numpy(rng.standard_normal((8, 4), dtype="float32"))
    return {"loss": (model(x) - x.sum(1, keepdim=True)).pow(2).mean()}


def test_resumed_at_any_saved_step_it_ends_where_an_undisturbed_run_ends(tmp_path):
    schedule = Schedule(steps=20, lr=0.05, decay="cosine", ema=0.9, save_every=5)
    whole = train(problem(), loss_of, schedule, tmp_path / "whole")

    class Stop(Exception):
        pass

    def stop(done, _terms):
        if done == 13:
            raise Stop

    with pytest.raises(Stop):
        train(problem(), loss_of, schedule, tmp_path / "cut", stop)
    resumed = train(problem(seed=1), loss_of, schedule, tmp_path / "cut")
    assert torch.equal(whole.weight, resumed.weight) and torch.equal(whole.bias, resumed.bias)
    steps = [json.loads(line)["step"] for line in (tmp_path / "cut" / "loss.jsonl").read_text().splitlines()]
    assert steps == list(range(20))


@pytest.mark.parametrize(("optimizer", "lr"), [("adamw", 0.05), ("adafactor", 0.3)])
def test_it_learns(optimizer, lr, tmp_path):
    schedule = Schedule(steps=200, lr=lr, weight_decay=0.0, decay="tail", optimizer=optimizer)
    model = train(problem(), loss_of, schedule, tmp_path)
    assert torch.allclose(model.weight, torch.ones(1, 4), atol=0.05)


def convolutions(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Conv2d(8, 16, 3), torch.nn.SiLU(), torch.nn.Conv2d(16, 1, 1))


def of_pictures(model, _step, rng):
    x = torch.from_numpy(rng.standard_normal((2, 8, 4, 4), dtype="float32"))
    return {"loss": (model(x) - 1).pow(2).mean()}


@pytest.mark.parametrize(("optimizer", "kept"), [("adamw", 2 * 1185), ("adafactor", 16 + 72 + 16 + 1 + 16 + 1)])
def test_what_either_optimiser_remembers_is_saved_and_training_goes_on_to_the_bit(optimizer, kept, tmp_path):
    def schedule(steps):
        return Schedule(steps=steps, lr=0.02, decay="constant", optimizer=optimizer, save_every=3)

    whole = train(convolutions(), of_pictures, schedule(6), tmp_path / "whole")
    train(convolutions(), of_pictures, schedule(3), tmp_path / "cut")
    resumed = train(convolutions(seed=1), of_pictures, schedule(6), tmp_path / "cut")
    ours, theirs = (list(model.parameters()) for model in (whole, resumed))
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    with safe_open(tmp_path / "cut" / "state.safetensors", "pt") as saved:
        names = [name for name in saved.keys() if not name.startswith("p.")]  # noqa: SIM118
        assert sum(saved.get_tensor(name).numel() for name in names) == kept


def test_a_batch_in_parts_is_the_same_step(tmp_path):
    def in_parts(model, _step, rng):
        x = torch.from_numpy(rng.standard_normal((8, 4), dtype="float32"))
        for rows, share in ((slice(0, 5), 5 / 8), (slice(5, 8), 3 / 8)):
            yield {"loss": share * (model(x[rows]) - x[rows].sum(1, keepdim=True)).pow(2).mean()}

    models = [train(problem(), of, Schedule(steps=5, lr=0.05), tmp_path / of.__name__) for of in (loss_of, in_parts)]
    assert torch.allclose(models[0].weight, models[1].weight, atol=1e-6)
    losses = [(tmp_path / name / "loss.jsonl").read_text().splitlines() for name in ("loss_of", "in_parts")]
    whole, parts = ([json.loads(line)["loss"] for line in lines] for lines in losses)
    assert parts == pytest.approx(whole, rel=1e-5)


def test_a_loss_that_is_not_a_number_ends_the_run_and_is_not_saved(tmp_path):
    def broken(model, step, rng):
        terms = loss_of(model, step, rng)
        return {"loss": terms["loss"] * float("nan")} if step == 3 else terms

    with pytest.raises(RunError, match="loss is nan at step 3 of 5") as error:
        train(problem(), broken, Schedule(steps=5, lr=0.01, save_every=1), tmp_path)
    assert "lower lr" in error.value.hint and "loss.jsonl" in error.value.hint
    again = json.loads((tmp_path / "loss.jsonl").read_text().splitlines()[-1])
    assert again["step"] == 2
    with safe_open(tmp_path / "state.safetensors", "pt") as saved:
        assert saved.metadata()["done"] == "3"


@pytest.mark.parametrize("clip", [1.0, None])
def test_a_learning_rate_far_too_high_ends_in_one_message_and_leaves_finite_weights_saved(tmp_path, clip):
    schedule = Schedule(steps=5, lr=1e30, weight_decay=0.0, clip=clip, save_every=1)
    with pytest.raises(RunError, match="at step 1 of 5") as error:
        train(problem(), loss_of, schedule, tmp_path)
    assert "lower lr" in error.value.hint
    with safe_open(tmp_path / "state.safetensors", "pt") as saved:
        assert saved.metadata()["done"] == "1"
        assert all(saved.get_tensor(name).isfinite().all() for name in saved.keys())  # noqa: SIM118


def test_a_gradient_that_is_not_a_number_never_reaches_the_weights(tmp_path):
    def broken(model, step, rng):
        terms = loss_of(model, step, rng)
        # The root of 0 is a sound loss; its slope there is not.
        return {"loss": terms["loss"] + (model.bias * 0).abs().sqrt().sum()} if step == 2 else terms

    model = problem()
    with pytest.raises(RunError, match="gradient's norm is nan at step 2"):
        train(model, broken, Schedule(steps=5, lr=0.01, save_every=1), tmp_path)
    assert all(p.isfinite().all() for p in model.parameters())


def test_the_averages_decay_is_0_at_first_and_grows_to_what_was_asked_for(tmp_path):
    model, average, seen = problem(), problem(), []

    def watched(model, step, rng):
        seen.append((model.weight[0, 0].item(), average.weight[0, 0].item()))
        return loss_of(model, step, rng)

    train(model, watched, Schedule(steps=13, lr=0.05, ema=0.5), tmp_path, average=average)
    decays = [(after - now) / (before - now) for (_, before), (now, after) in pairwise(seen[1:])]
    assert seen[1][0] == seen[1][1] != seen[0][1]  # decay 0: after the first step the average is the weights
    # before and now differ by a step of 0.05, so float32 leaves five digits of the quotient
    assert decays == pytest.approx([min(0.5, (1 + s) / (10 + s)) for s in range(1, 12)], abs=1e-4)
    for decay, steps in ((0.9, 80), (0.95, 170), (0.99, 890)):  # as the descriptions of the fields say
        assert (1 + steps) / (10 + steps) == pytest.approx(decay) and math.isclose(
            steps, (10 * decay - 1) / (1 - decay)
        )


def test_a_seed_and_a_step_mean_the_same_draws_for_ever():
    assert step_rng(3, 5).random(2).tolist() == [0.1366734157837819, 0.8837501111106607]


@pytest.mark.parametrize(
    ("decay", "expected"),
    [
        ("constant", {0: 0.5, 1: 1, 2: 1, 9: 1}),
        ("cosine", {0: 0.5, 2: 1, 4: 0.853553, 6: 0.5, 8: 0.146447}),
        ("tail", {0: 0.5, 2: 1, 7: 1, 8: 2 / 3, 9: 1 / 3}),
    ],
)
def test_learning_rate_over_ten_steps(decay, expected):
    schedule = Schedule(steps=10, lr=1.0, warmup=2, decay=decay)
    assert {step: schedule.lr_at(step) for step in expected} == pytest.approx(expected, abs=1e-6)
