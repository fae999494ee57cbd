"""A training loop that can be killed at any moment and resumes bit for bit from its last checkpoint.

Every random draw of a step comes from a generator seeded by (seed, step), so no generator state needs saving.
accelerate places model and optimiser and runs the backward pass; the state is one safetensors file, written atomically.

Where ``accelerate launch`` or ``torchrun`` started several processes, all draw the same batch, each works on its part,
gradients are averaged over them, and only the first writes state and log. So a step is the same however many there are,
up to the rounding of sums.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workbench.errors import InputError, RunError
from workbench.store.files import replacing, write_atomic
from workbench.training.optimizer import Kind, make, moments, remember
from workbench.training.precision import Precision, autocast

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator

OnStep = Callable[[int, dict[str, float]], None]
"""Called with the number of finished steps and the loss terms of the last one."""
STATE = "state.safetensors"
"""The file in a state folder that training resumes from."""
Terms = Mapping[str, "torch.Tensor"]
"""Loss terms by name; ``loss`` is their weighted sum, the one that is minimised."""
LossOf = Callable[[Any, int, np.random.Generator], "Terms | Iterator[Terms]"]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: optimiser steps, learning rate, and what the state is saved for.

    ``ema`` is the largest decay of the averaged weights: that of step s (0-based) is the smaller one of ``ema`` and
    (1 + s) / (10 + s), and 0 at the first step, as diffusers' ``EMAModel`` has it. So the average forgets the untrained
    weights soon; it reaches 0.9 at step 80, 0.95 at 170, 0.99 at 890. (LCM's training has a constant decay.)
    """

    steps: int
    lr: float
    warmup: int = 0
    decay: str = "constant"  # "cosine" down to zero at the last step; "tail": linear to zero over the last 30 %
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 1e-2
    clip: float | None = 1.0
    ema: float | None = None
    precision: Precision = "fp32"
    optimizer: Kind = "adamw"
    seed: int = 0
    save_every: int = 200

    @classmethod
    def of(cls, config: Any, seed: int, **optimizer: Any) -> Schedule:
        """The schedule that a training step's config asks for; it names its keys as the fields here.

        ``optimizer``: ``weight_decay``, ``betas`` and ``optimizer``, which some steps leave to the user and some don't.
        """
        names = ("steps", "lr", "warmup", "decay", "clip", "ema", "precision", "save_every")
        return cls(**{name: getattr(config, name) for name in names}, seed=seed, **optimizer)

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


def device() -> torch.device:
    """Where ``train`` puts the model and a loss its tensors: this process's accelerator, or the CPU."""
    return _accelerator().device


def own_part(batch: int) -> slice:
    """The rows of a batch on which this process works: all of them where it trains alone.

    Raises:
        InputError: the batch can't be shared evenly by the processes.
    """
    accelerator = _accelerator()
    count, rank = accelerator.num_processes, accelerator.process_index
    if batch % count:
        raise InputError(f"batch: found {batch}, which {count} processes can't share evenly")
    rows = batch // count
    return slice(rank * rows, (rank + 1) * rows)


def wait() -> None:
    """Until all processes that train together are here."""
    _accelerator().wait_for_everyone()


def train(
    model: Any,
    loss_of: LossOf,
    schedule: Schedule,
    state: Path,
    on_step: OnStep | None = None,
    average: Any = None,
) -> Any:
    """Trains ``model`` in place and returns it, on the CPU, with its EMA weights (where asked for) loaded.

    Args:
        model: a ``torch.nn.Module`` whose parameters with ``requires_grad`` are trained; moved to ``device()``.
        loss_of: ``(model, step, rng) -> terms``; must draw everything random from ``rng`` and call the model that it is
            given, which is ``model`` or, where several processes train, what averages gradients around it. A mean over
            the rows ``own_part`` of the batch. Where these are too many for one pass, it gives the terms of some of
            them after the other, each times their share; what a pass keeps for its gradient is then let go in between.
        average: a module of the same parameters that follows the EMA weights while training goes on; moved likewise.
        state: folder for ``STATE`` (resumed from when it is there) and ``loss.jsonl`` (means over the
            processes), which all processes have to see.

    Raises:
        RunError: the loss or its gradient is no finite number; what was saved before stays.
    """
    from diffusers.training_utils import EMAModel

    accelerator = _accelerator()
    parameters = [p for p in model.parameters() if p.requires_grad]
    model = accelerator.prepare(model)
    made = make(schedule.optimizer, parameters, schedule.lr, schedule.betas, schedule.weight_decay)
    optimizer = accelerator.prepare(made)
    ema = EMAModel(parameters, decay=schedule.ema) if schedule.ema else None

    state.mkdir(parents=True, exist_ok=True)
    done = _restore(state, parameters, optimizer, ema)
    if accelerator.is_main_process:
        _truncate_log(state / "loss.jsonl", done)
    if average is not None:
        average.to(accelerator.device)
    followers = list(average.parameters()) if ema is not None and average is not None else None
    if ema is not None and followers:
        ema.copy_to(followers)
    model.train()
    for step in range(done, schedule.steps):
        for group in optimizer.param_groups:
            group["lr"] = schedule.lr_at(step)
        values: dict[str, float] = {}
        for terms in _parts(loss_of, model, step, schedule, accelerator):
            for name, term in terms.items():
                values[name] = values.get(name, 0.0) + float(accelerator.reduce(term.detach(), "mean"))
            _demand_finite("loss", values["loss"], step, schedule, state)
            accelerator.backward(terms["loss"])
        norm = accelerator.clip_grad_norm_(parameters, math.inf if schedule.clip is None else schedule.clip)
        _demand_finite("gradient's norm", float(norm), step, schedule, state)
        optimizer.step()
        optimizer.zero_grad()
        if ema is not None:
            ema.step(parameters)
            if followers:
                ema.copy_to(followers)
        if accelerator.is_main_process:
            with (state / "loss.jsonl").open("a") as log:
                log.write(json.dumps({"step": step, "lr": schedule.lr_at(step), **values}) + "\n")
            if (step + 1) % schedule.save_every == 0 or step + 1 == schedule.steps:
                _save(state, step + 1, parameters, optimizer, ema)
        if on_step is not None:
            on_step(step + 1, values)
    if ema is not None:
        ema.copy_to(parameters)
    model.eval()
    accelerator.wait_for_everyone()  # only now is the log of all steps there for every process
    return accelerator.unwrap_model(model).cpu()


def _parts(loss_of: LossOf, model: Any, step: int, schedule: Schedule, accelerator: Accelerator) -> Iterator[Terms]:
    """The terms of a step, of all its rows or of some after the other; only computing them is in lower precision."""
    with autocast(schedule.precision, accelerator.device):
        found = loss_of(model, step, step_rng(schedule.seed, step))
    if isinstance(found, Mapping):
        yield found
        return
    while True:
        with autocast(schedule.precision, accelerator.device):
            terms = next(found, None)
        if terms is None:
            return
        yield terms


def _accelerator() -> Accelerator:
    import torch
    from accelerate import Accelerator

    # Mixed precision is torch's own: accelerate fixes one precision for the life of the process, a recipe may use two.
    # Of processes that were started together on CPUs, accelerate makes a group only where the CPU is asked for.
    return Accelerator(mixed_precision="no", cpu=not torch.accelerator.is_available())


def _demand_finite(what: str, value: float, step: int, schedule: Schedule, state: Path) -> None:
    if not math.isfinite(value):
        raise RunError(
            f"training: the {what} is {value} at step {step} of {schedule.steps} (lr {schedule.lr_at(step):.3g})",
            hint=f"lower lr, or lengthen warmup; {state / 'loss.jsonl'} has the curve up to there",
        )


def _save(state: Path, done: int, parameters: list, optimizer: torch.optim.Optimizer, ema: Any) -> None:
    """Writes the state, tensor after tensor: at full size, one copy of it would be a quarter of all memory."""
    from safetensors.torch import save_file

    tensors = {f"p.{i}": p.detach() for i, p in enumerate(parameters)} | moments(optimizer)
    if ema is not None:
        tensors |= {f"ema.{i}": p for i, p in enumerate(ema.shadow_params)}
    with replacing(state / STATE) as file:
        save_file({name: t.cpu().contiguous() for name, t in tensors.items()}, file, metadata={"done": str(done)})


def _restore(state: Path, parameters: list, optimizer: torch.optim.Optimizer, ema: Any) -> int:
    """Loads the checkpoint and returns how many steps it holds (0 when there is none)."""
    import torch
    from safetensors import safe_open

    file = state / STATE
    if not file.exists():
        return 0
    with safe_open(file, "pt") as saved, torch.no_grad():
        done = int(saved.metadata()["done"])
        names = set(saved.keys())
        own = {f"{kind}.{i}" for kind in ("p", "ema") for i in range(len(parameters))}
        remember(optimizer, done, {name: saved.get_tensor(name) for name in names - own})
        for i, p in enumerate(parameters):
            p.copy_(saved.get_tensor(f"p.{i}"))
            if ema is not None:
                ema.shadow_params[i].copy_(saved.get_tensor(f"ema.{i}"))
        if ema is not None:
            ema.optimization_step = done
    return done


def _truncate_log(log: Path, done: int) -> None:
    """Removes the lines of steps after the checkpoint: they will be run again."""
    if log.exists():
        lines = log.read_text().splitlines()[:done]
        write_atomic(log, "".join(line + "\n" for line in lines).encode())
