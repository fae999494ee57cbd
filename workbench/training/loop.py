"""A training loop that can be killed at any moment and goes on bit for bit where its last saved state was.

Every random draw of a step comes from a generator seeded by (seed, step), so no generator state needs saving.
accelerate places model and optimiser and runs the backward pass; the state is one safetensors file, written atomically.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.store.files import write_atomic

if TYPE_CHECKING:
    import torch

OnStep = Callable[[int, dict[str, float]], None]
"""Told the number of finished steps and the loss terms of the last one."""
Terms = Mapping[str, "torch.Tensor"]
"""Loss terms by name; ``loss`` is their weighted sum, the one that is minimised."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: optimiser steps, learning rate, and what the state is saved for."""

    steps: int
    lr: float
    warmup: int = 0
    decay: str = "constant"  # "cosine" down to zero at the last step; "tail": linear to zero over the last 30 %
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 1e-2
    clip: float | None = 1.0
    ema: float | None = None
    precision: str = "fp32"
    seed: int = 0
    save_every: int = 200

    @classmethod
    def of(cls, config: Any, seed: int, weight_decay: float) -> Schedule:
        """The schedule that a training step's config asks for; it names its keys as the fields here."""
        names = ("steps", "lr", "warmup", "decay", "clip", "ema", "precision", "save_every")
        return cls(**{name: getattr(config, name) for name in names}, weight_decay=weight_decay, seed=seed)

    def lr_at(self, step: int) -> float:
        """Learning rate of optimiser step ``step`` (0-based)."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        if self.decay == "cosine":
            span = max(1, self.steps - self.warmup)
            return self.lr * 0.5 * (1 + math.cos(math.pi * (step - self.warmup) / span))
        if self.decay == "tail":
            return self.lr * min(1.0, (self.steps - step) / (0.3 * self.steps))
        return self.lr


def step_rng(seed: int, step: int) -> np.random.Generator:
    """The generator of every random draw of one step."""
    return np.random.default_rng([seed, step])


def train(
    model: Any,
    loss_of: Callable[[Any, int, np.random.Generator], Terms],
    schedule: Schedule,
    state: Path,
    on_step: OnStep | None = None,
    average: Any = None,
) -> Any:
    """Trains ``model`` in place and returns it with its EMA weights (where asked for) loaded.

    Args:
        model: a ``torch.nn.Module`` whose parameters with ``requires_grad`` are trained.
        loss_of: ``(model, step, rng) -> terms``; must draw everything random from ``rng``.
        average: a module of the same parameters that follows the EMA weights while training goes on.
        state: folder for ``state.safetensors`` (resumed from when it is there) and ``loss.jsonl``.
    """
    import torch
    from accelerate import Accelerator
    from diffusers.training_utils import EMAModel

    # Mixed precision is torch's own: accelerate fixes one precision for the life of the process, a recipe may use two.
    accelerator = Accelerator(mixed_precision="no")
    half = {"device_type": accelerator.device.type, "dtype": torch.bfloat16, "enabled": schedule.precision == "bf16"}
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=schedule.lr, betas=schedule.betas, weight_decay=schedule.weight_decay, fused=True
    )
    model, optimizer = accelerator.prepare(model, optimizer)
    ema = EMAModel(parameters, decay=schedule.ema) if schedule.ema else None

    state.mkdir(parents=True, exist_ok=True)
    done = _restore(state, parameters, optimizer, ema)
    followers = list(average.parameters()) if ema is not None and average is not None else None
    if ema is not None and followers:
        ema.copy_to(followers)
    model.train()
    for step in range(done, schedule.steps):
        for group in optimizer.param_groups:
            group["lr"] = schedule.lr_at(step)
        with torch.autocast(**half):
            terms = loss_of(model, step, step_rng(schedule.seed, step))
        accelerator.backward(terms["loss"])
        if schedule.clip is not None:
            accelerator.clip_grad_norm_(parameters, schedule.clip)
        optimizer.step()
        optimizer.zero_grad()
        if ema is not None:
            ema.step(parameters)
            if followers:
                ema.copy_to(followers)
        values = {name: float(term.detach()) for name, term in terms.items()}
        if not math.isfinite(values["loss"]):
            raise FloatingPointError(f"loss is {values['loss']} at step {step}")
        with (state / "loss.jsonl").open("a") as log:
            log.write(json.dumps({"step": step, "lr": schedule.lr_at(step), **values}) + "\n")
        if (step + 1) % schedule.save_every == 0 or step + 1 == schedule.steps:
            _save(state, step + 1, parameters, optimizer, ema)
        if on_step is not None:
            on_step(step + 1, values)
    if ema is not None:
        ema.copy_to(parameters)
    model.eval()
    return accelerator.unwrap_model(model)


def _save(state: Path, done: int, parameters: list, optimizer: torch.optim.Optimizer, ema: Any) -> None:
    from safetensors.torch import save

    tensors = {f"p.{i}": p.detach() for i, p in enumerate(parameters)}
    for i, p in enumerate(parameters):
        for key in ("exp_avg", "exp_avg_sq"):
            tensors[f"{key}.{i}"] = optimizer.state[p][key]
    if ema is not None:
        tensors |= {f"ema.{i}": p for i, p in enumerate(ema.shadow_params)}
    cpu = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    write_atomic(state / "state.safetensors", save(cpu, metadata={"done": str(done)}))


def _restore(state: Path, parameters: list, optimizer: torch.optim.Optimizer, ema: Any) -> int:
    """Loads the saved state into its places and returns how many steps it holds (0 when there is none)."""
    import torch
    from safetensors import safe_open

    file = state / "state.safetensors"
    if not file.exists():
        (state / "loss.jsonl").unlink(missing_ok=True)
        return 0
    with safe_open(file, "pt") as saved, torch.no_grad():
        done = int(saved.metadata()["done"])
        for i, p in enumerate(parameters):
            p.copy_(saved.get_tensor(f"p.{i}"))
            optimizer.state[p] = {
                "step": torch.tensor(float(done), device=p.device),
                "exp_avg": saved.get_tensor(f"exp_avg.{i}").to(p.device),
                "exp_avg_sq": saved.get_tensor(f"exp_avg_sq.{i}").to(p.device),
            }
            if ema is not None:
                ema.shadow_params[i].copy_(saved.get_tensor(f"ema.{i}"))
        if ema is not None:
            ema.optimization_step = done
    _truncate_log(state / "loss.jsonl", done)
    return done


def _truncate_log(log: Path, done: int) -> None:
    """Drops the lines of steps that came after the saved state: they will be run again."""
    if log.exists():
        lines = log.read_text().splitlines()[:done]
        write_atomic(log, "".join(line + "\n" for line in lines).encode())
