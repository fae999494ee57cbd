"""What latent consistency distillation is made of: boundary, time grid, DDIM solver, distance.

Source: Latent Consistency Models (arXiv 2310.04378) as trained by diffusers' LCM distillation script.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

SIGMA_DATA = 0.5
TIMESTEP_SCALING = 10.0
HUBER_C = 0.001
POINTS = 50
"""Of the solver's grid (k = 20 of 1000 timesteps): those from which diffusers' ``LCMScheduler`` takes its steps."""


def boundary(timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """c_skip and c_out at ``timesteps`` [B]: f(z, t) = c_skip · z + c_out · x̂0, so that f(z, 0) = z.

    With s = 10 · t and σ = 0.5: c_skip = σ² / (s² + σ²), c_out = s / √(s² + σ²).
    """
    scaled = timesteps.double() * TIMESTEP_SCALING
    square = scaled**2 + SIGMA_DATA**2
    return (SIGMA_DATA**2 / square).float(), (scaled / square.sqrt()).float()


def huber(a: torch.Tensor, b: torch.Tensor, kind: Literal["huber", "l2"] = "huber") -> torch.Tensor:
    """Mean pseudo-Huber distance √(d² + c²) - c with c = 0.001, or the mean square."""
    import torch

    if kind == "l2":
        return torch.nn.functional.mse_loss(a.float(), b.float())
    return (((a.float() - b.float()) ** 2 + HUBER_C**2).sqrt() - HUBER_C).mean()


@dataclass(frozen=True)
class Grid:
    """The timesteps of training: k - 1, 2k - 1, … 999, and where one step of the solver leads from each.

    ``alphas``: ᾱ of every training timestep [T]; all tensors lie where it does.
    """

    alphas: torch.Tensor
    count: int = POINTS

    @property
    def skip(self) -> int:
        """k, training timesteps per step of the solver."""
        return len(self.alphas) // self.count

    @property
    def starts(self) -> torch.Tensor:
        """int64 [count]: 19, 39, … 999 with 50 of 1000."""
        import torch

        return torch.arange(1, self.count + 1, device=self.alphas.device) * self.skip - 1

    def ends(self, starts: torch.Tensor) -> torch.Tensor:
        """The timesteps that a step of the solver leads to: ``starts`` - k, at least 0."""
        return (starts - self.skip).clamp(min=0)

    def ddim(self, clean: torch.Tensor, noise: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """One DDIM step from grid point ``index`` [B] down: √ᾱ' x̂0 + √(1 - ᾱ') ε; below the first point lies ᾱ[0]."""
        import torch

        before = torch.cat([self.alphas[:1], self.alphas[self.starts[:-1]]])
        alpha = before[index].view(-1, *[1] * (clean.ndim - 1)).to(clean)
        return alpha.sqrt() * clean + (1 - alpha).sqrt() * noise

    def split(
        self, output: torch.Tensor, noisy: torch.Tensor, timesteps: torch.Tensor, prediction: str
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """x̂0 and ε [B, C, h, w] that a U-Net's ``output`` on ``noisy`` means.

        ``prediction``: epsilon, v_prediction or sample, as the scheduler's config names them.
        """
        alpha = self.alphas[timesteps].view(-1, *[1] * (noisy.ndim - 1)).to(noisy)
        keep, spread = alpha.sqrt(), (1 - alpha).sqrt()
        if prediction == "v_prediction":
            return keep * noisy - spread * output, keep * output + spread * noisy
        if prediction == "sample":
            return output, (noisy - keep * output) / spread
        return (noisy - spread * output) / keep, output
