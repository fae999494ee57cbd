"""What changes the weights: AdamW, or Adafactor where there is no memory for AdamW's two moments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

Kind = Literal["adamw", "adafactor"]


def make(
    kind: Kind, parameters: Sequence[torch.nn.Parameter], lr: float, betas: tuple[float, float], weight_decay: float
) -> torch.optim.Optimizer:
    """The optimiser of the parameters, where they lie by now.

    Adafactor (arXiv 1804.04235) has no first moment, and keeps of the second the means over the rows and over the
    columns of each weight; ``lr`` is then relative to the weight's own root mean square, and ``betas`` aren't used.
    """
    import torch

    if kind == "adamw":
        return torch.optim.AdamW(parameters, lr=lr, betas=betas, weight_decay=weight_decay, fused=True)
    # torch takes the last two axes for rows and columns, which of a convolution are the 3 × 3 of its kernel.
    flat = [p.detach().flatten(1) if p.ndim > 2 else p.detach() for p in parameters]
    optimizer = torch.optim.Adafactor(flat, lr=lr, weight_decay=weight_decay)

    def lend(*_: object) -> None:
        for view, p in zip(flat, parameters, strict=True):
            view.grad = None if p.grad is None else p.grad.view(view.shape)

    def drop(*_: object) -> None:
        for p in parameters:
            p.grad = None

    optimizer.register_step_pre_hook(lend)
    optimizer.register_step_post_hook(drop)
    return optimizer


def moments(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """What it remembers, by ``KIND.NUMBER`` of the parameter; the number of steps isn't among it."""
    kept = (optimizer.state[p] for p in optimizer.param_groups[0]["params"])
    return {f"{name}.{i}": value for i, of in enumerate(kept) for name, value in of.items() if name != "step"}


def remember(optimizer: torch.optim.Optimizer, done: int, values: dict[str, torch.Tensor]) -> None:
    """Gives back what ``moments`` gave after ``done`` steps."""
    import torch

    parameters = optimizer.param_groups[0]["params"]
    for p in parameters:
        optimizer.state[p] = {"step": torch.tensor(float(done), device=p.device)}
    for name, value in values.items():
        kind, _, i = name.rpartition(".")
        p = parameters[int(i)]
        optimizer.state[p][kind] = value.to(p.device)
