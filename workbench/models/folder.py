"""A diffusers pipeline folder, looked at without loading it: what is missing, what is broken, which files count."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.errors import InputError
from workbench.models.weights import tensors_of, weight_files

STEMS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
"""Folder of a network to the stem of its weight files."""

_PER_LEVEL = ("block_out_channels", "down_block_types", "up_block_types")
UNET_KEYS = (*_PER_LEVEL, "layers_per_block", "in_channels")
_NEEDED = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
_CONFIGS = {"scheduler": "scheduler_config.json", "tokenizer": "tokenizer_config.json"}
_TOKENS = (("tokenizer.json",), ("vocab.json", "merges.txt"))
_READ = (".json", ".txt", ".model")


def inspect_folder(folder: Path) -> list[str]:
    """What keeps ``folder`` from being used as a Stable Diffusion pipeline, one sentence each, naming the file."""
    if not folder.is_dir():
        return [f"{folder}: {'is a file; needs a folder' if folder.exists() else 'no such folder'}"]
    index = folder / "model_index.json"
    if not index.is_file():
        return [f"{index}: missing; a model is a diffusers pipeline folder, as save_pretrained writes it"]
    problems: list[str] = []
    listed = _collect(problems, lambda: read_object(index)) or {}
    for name in _NEEDED if listed else ():
        if not _is_named(listed.get(name)):
            problems.append(f"{index}: {name}: names no class; the pipeline needs {', '.join(_NEEDED)}")
        elif not (folder / name).is_dir():
            problems.append(f"{folder / name}: missing; {index.name} lists it as {'.'.join(listed[name])}")
        else:
            _inspect_component(problems, folder / name)
    if _is_named(listed.get("text_encoder_2")):
        problems.append(
            f"{index}: text_encoder_2: pipelines with two text encoders can't be read; needs Stable Diffusion 1 or 2"
        )
    return problems


def _inspect_component(problems: list[str], folder: Path) -> None:
    name = folder.name
    config_file = folder / _CONFIGS.get(name, "config.json")
    config = _collect(problems, lambda: read_object(config_file))
    if name == "tokenizer" and not any(all((folder / f).is_file() for f in files) for files in _TOKENS):
        problems.append(f"{folder}: no tokens; needs tokenizer.json, or vocab.json with merges.txt")
    if name == "unet" and config is not None:
        lacking = [key for key in UNET_KEYS if key not in config]
        levels = [len(config[key]) if isinstance(config.get(key), list) else 0 for key in _PER_LEVEL]
        if lacking:
            problems.append(f"{config_file}: lacks {', '.join(lacking)}; needs the config of a UNet2DConditionModel")
        elif min(levels) == 0 or len(set(levels)) > 1:
            problems.append(f"{config_file}: {', '.join(_PER_LEVEL)}: need to be lists of one length, a block each")
    if name in STEMS:
        _collect(problems, lambda: tensors_of(folder, STEMS[name]))


def _collect(problems: list[str], read: Callable[[], Any]) -> Any:
    """What ``read`` gives; else None, and its complaint joins ``problems``."""
    try:
        return read()
    except InputError as error:
        problems.append(f"{error.message}; {error.hint}" if error.hint else error.message)
        return None


def _is_named(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(part, str) for part in value)


def read_object(file: Path) -> dict[str, Any]:
    """The JSON object in ``file``.

    Raises:
        InputError: the file is missing or holds something else.
    """
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{file}: missing") from None
    except OSError as error:
        raise InputError(f"{file}: can't be read ({error.strerror})") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{file}:{error.lineno}: not valid JSON ({error.msg})") from None
    except ValueError:
        raise InputError(f"{file}: not text in UTF-8") from None
    if not isinstance(value, dict):
        raise InputError(f"{file}: found a {type(value).__name__}; needs a JSON object")
    return value


def pipeline_files(folder: Path) -> list[Path]:
    """The files that decide what the pipeline computes: configs, tokens, loaded weights; not data or scorer."""
    files = [folder / "model_index.json"]
    for name in _NEEDED:
        files += [f for f in (folder / name).iterdir() if f.suffix in _READ and f.is_file()]
    for name, stem in STEMS.items():
        files += weight_files(folder / name, stem)
    return sorted(set(files))
