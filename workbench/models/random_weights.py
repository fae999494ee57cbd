"""Random weights of a published architecture, in the memory of its largest layer."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

SEED = 0


def write_random(module: torch.nn.Module, file: Path, half: bool = False) -> None:
    """Writes the parameters of a module on the meta device, each as its layer's ``reset_parameters`` makes it.

    Layer by layer, so that it takes the memory of the largest one and not of all. The format is safetensors
    (https://huggingface.co/docs/safetensors): length of the header, header in JSON, values.

    ``half``: in float16 instead of float32.
    """
    import torch

    header, end = {}, 0
    kind, size = ("F16", 2) if half else ("F32", 4)
    parts = {
        name: part for name, part in module.named_modules() if next(part.parameters(recurse=False), None) is not None
    }
    for name, part in parts.items():
        for own, value in part.named_parameters(recurse=False):
            begin, end = end, end + size * value.numel()
            header[f"{name}.{own}"] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [begin, end]}
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    text += b" " * (-len(text) % 8)
    with torch.random.fork_rng(devices=[]), file.open("wb") as out:
        torch.manual_seed(SEED)
        out.write(struct.pack("<Q", len(text)) + text)
        for part in parts.values():
            part.to_empty(device="cpu", recurse=False)
            reset: Any = part.reset_parameters
            reset()
            for value in part.parameters(recurse=False):
                value = value.detach()
                (value.half() if half else value).numpy().tofile(out)
            part.to("meta")
