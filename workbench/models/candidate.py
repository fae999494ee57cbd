"""A candidate: the model at one point of a recipe's chain, as folders and files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

COMPONENTS = ("text_encoder", "unet", "vae_decoder")
FOLDERS = {"text_encoder": "text_encoder", "unet": "unet", "vae_decoder": "vae"}
"""Component name to its folder in a diffusers pipeline."""


@dataclass(frozen=True)
class Component:
    """One network of a candidate.

    ``torch``: ``path`` is a diffusers/transformers folder (config.json + safetensors).
    ``onnx``: ``path`` is an ONNX file whose nodes are named by their layer.
    ``openvino``: ``path`` is an OpenVINO ``.xml``, its operations named likewise, the ``.bin`` beside it.
    """

    name: str
    kind: Literal["torch", "onnx", "openvino"]
    path: Path
    scheme: str = "fp32"


@dataclass(frozen=True)
class Candidate:
    """A model at one point of the chain; ``source`` is the pipeline folder with tokenizer and scheduler.

    ``key`` is the store key of what made it, ``report`` what the step said of it (JSON).
    """

    name: str
    key: str
    source: Path
    components: Mapping[str, Component]
    lineage: tuple[str, ...] = ()
    report: Mapping[str, Any] = field(default_factory=dict)
    parent: str | None = None
    """Name of the candidate that it was made from."""
    teacher: str | None = None
    """Name of the candidate that taught its U-Net in the step that made it."""
    configs: Mapping[str, Path] = field(default_factory=dict)
    """Where the config of a component lies that was changed and may be a runtime's file by now."""
    steps: int | None = None
    """Denoising steps of its pictures; None: as many as the recipe's ``evaluate.steps``."""

    def config(self, component: str) -> dict[str, Any]:
        """A component's config.json; empty where its folder has none."""
        own = self.components[component]
        folder = own.path if own.kind == "torch" else self.configs.get(component, self.source / FOLDERS[component])
        file = folder / "config.json"
        return json.loads(file.read_text()) if file.is_file() else {}

    @property
    def guidance_width(self) -> int | None:
        """Width of the embedding in which the denoiser takes the strength of guidance; None where it takes none."""
        return self.config("unet").get("time_cond_proj_dim")

    @property
    def scheme(self) -> str:
        """The scheme of the denoiser, which stands for the candidate in tables."""
        return self.components["unet"].scheme

    @property
    def leaves_torch(self) -> bool:
        """Whether some component exists only as a runtime's file."""
        return any(c.kind != "torch" for c in self.components.values())


def at(name: str, steps: int) -> str:
    """A few-step candidate's name at one number of steps: ``student-2steps``; ``student-1step``."""
    return f"{name}-{steps}step{'s' if steps > 1 else ''}"
