"""The training loop on a small regression: schedule, resume, what a bad loss does."""

from __future__ import annotations

import json

import pytest
import torch

from workbench.training.loop import Schedule, train


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


def test_it_learns(tmp_path):
    model = train(problem(), loss_of, Schedule(steps=200, lr=0.05, weight_decay=0.0), tmp_path)
    assert torch.allclose(model.weight, torch.ones(1, 4), atol=0.05)


def test_a_loss_that_is_not_a_number_ends_the_run_and_is_not_saved(tmp_path):
    def broken(model, step, rng):
        terms = loss_of(model, step, rng)
        return {"loss": terms["loss"] * float("nan")} if step == 3 else terms

    with pytest.raises(FloatingPointError, match="step 3"):
        train(problem(), broken, Schedule(steps=5, lr=0.01, save_every=1), tmp_path)
    again = json.loads((tmp_path / "loss.jsonl").read_text().splitlines()[-1])
    assert again["step"] == 2


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
