"""Which schedulers of diffusers pictures are drawn with, and the configs that they may have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from workbench.models.checked import Checked, problems_of

ACCEPTED = (
    "DDIMParallelScheduler",
    "DDIMScheduler",
    "DDPMParallelScheduler",
    "DDPMScheduler",
    "DEISMultistepScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "EDMDPMSolverMultistepScheduler",
    "EDMEulerScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "IPNDMScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LCMScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "SASolverScheduler",
    "TCDScheduler",
    "UniPCMultistepScheduler",
)
"""Those with which pictures are the ones that ``StableDiffusionPipeline`` draws; a test runs all that diffusers has."""
_OTHER, _INVERSE = "is for models of another kind", "goes from a picture to noise"
REFUSED: Mapping[str, str] = {
    "CMStochasticIterativeScheduler": _OTHER,
    "CogVideoXDDIMScheduler": _OTHER,
    "CogVideoXDPMScheduler": _OTHER,
    "CosineDPMSolverMultistepScheduler": _OTHER,
    "DDIMInverseScheduler": _INVERSE,
    "DPMSolverMultistepInverseScheduler": _INVERSE,
    "DPMSolverSDEScheduler": "draws noise that doesn't follow from a picture's seed",
    "RePaintScheduler": "needs a picture to paint in",
}
"""What that pipeline would take beside them, with why not. It fails with all others."""
FEW = "LCMScheduler"
"""What draws in few steps: every step but the last jumps to a clean latent and adds new noise (arXiv 2310.04378)."""
_FROM_A_GRID = (FEW, "TCDScheduler")
"""Those that choose from the timesteps on which a student was distilled."""
_RUNGE_KUTTA = 4
"""Steps that PNDM's start by Runge-Kutta takes."""
_Beta = Annotated[float, Field(gt=0, lt=1)]


class SchedulerConfig(Checked):
    """The entries that schedulers share; a class ignores those that it hasn't."""

    num_train_timesteps: Annotated[int, Field(ge=1, le=100_000)] = 1000
    beta_start: _Beta = 0.0001
    beta_end: _Beta = 0.02
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] = "linear"
    trained_betas: Annotated[list[_Beta], Field(min_length=1)] | None = None
    prediction_type: Literal["epsilon", "v_prediction", "sample"] = "epsilon"
    timestep_spacing: Literal["linspace", "leading", "trailing"] = "linspace"
    steps_offset: int = 0
    solver_order: Annotated[int, Field(ge=1, le=3)] = 2
    original_inference_steps: Annotated[int, Field(ge=1)] = 50
    clip_sample: bool = False
    thresholding: bool = False
    set_alpha_to_one: bool = True
    skip_prk_steps: bool = False
    rescale_betas_zero_snr: bool = False
    use_karras_sigmas: bool | None = False


def steps_problem(config: Mapping[str, Any], steps: int, few: bool = False) -> str | None:
    """Why the scheduler of a config can't make so many steps, None where it can. ``few``: see ``load_scheduler``."""
    name, grid = FEW if few else config["_class_name"], SchedulerConfig.model_validate(config)
    limit = "original_inference_steps" if name in _FROM_A_GRID else "num_train_timesteps"
    if steps > (most := getattr(grid, limit)):
        return f"found {steps}; {name} makes at most {most} ({limit})"
    if name == "PNDMScheduler" and not grid.skip_prk_steps and steps < _RUNGE_KUTTA:
        return f"found {steps}; {name} makes at least {_RUNGE_KUTTA} (skip_prk_steps is false)"
    return None


def scheduler_problems(config: Mapping[str, Any]) -> list[str]:
    """Why pictures can't be drawn by a scheduler of this config."""
    name = str(config.get("_class_name"))
    if name not in ACCEPTED:
        why = f", which {REFUSED[name]}" if name in REFUSED else ""
        return [f"_class_name: found {name!r}{why}; needs one of {', '.join(ACCEPTED)}"]
    return problems_of(SchedulerConfig, config)
