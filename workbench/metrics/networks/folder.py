"""A folder of transformers with a network that sees pictures: found, looked at without loading it, loaded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.errors import InputError, RunError, WorkbenchError
from workbench.models.hub import HUB, NAME, cached, fetch
from workbench.models.read_json import read_object
from workbench.models.tokens import tokenizer_problems
from workbench.models.weights import PLAIN, Shape, disagreement, tensors_of, weight_files

_FETCHED = ("*.json", "*.txt", "*.safetensors")
_READ = (".json", ".txt")
_STEM = "model"
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
_OF_ONE_SIZE = ("clip", "clip_vision_model", "vit", "siglip", "siglip_vision_model")
"""Those that can't be shown pictures of another size than their own."""
_SAFE = "save it with save_pretrained(folder), model and processor"


def found(model: str) -> Path | None:
    """The folder of ``model``; of ``hub:OWNER/NAME`` the local copy, None where there is none."""
    return cached(model, _FETCHED) if model.startswith(HUB) else Path(model)


def fetched(model: str) -> Path:
    """The folder of ``model``; ``hub:OWNER/NAME`` is fetched where there is no copy.

    Raises:
        InputError, RunError: as ``fetch``.
    """
    return fetch(model, _FETCHED) if model.startswith(HUB) else Path(model)


def files_of(model: str) -> tuple[Path, ...]:
    """The files that decide what a network sees; none where it isn't there."""
    folder = found(model)
    try:
        beside = [file for file in folder.iterdir() if file.suffix in _READ and file.is_file()] if folder else []
        return tuple(sorted([*beside, *weight_files(folder, _STEM, PLAIN)])) if folder else ()
    except (InputError, OSError, ValueError):  # a path with a null byte
        return ()


def label_of(model: str) -> str:
    """A network for readers: the folder's name, or that on the Hub, and the side of what it is shown, in pixels."""
    name, folder = model.removeprefix(HUB) if model.startswith(HUB) else Path(model).name, found(model)
    try:
        side = _side(read_object(_processor(folder))) if folder else None
    except (InputError, OSError, ValueError):
        return name
    return f"{name} at {side} px" if side else name


def _side(config: Mapping[str, Any]) -> int | None:
    """Of the pictures that a processor makes; None where its config doesn't say it."""
    inner = config.get("image_processor")
    config = inner if isinstance(inner, Mapping) else config
    shown = (config.get("crop_size") if config.get("do_center_crop", True) else None) or config.get("size")
    side = (shown.get("height") or shown.get("shortest_edge")) if isinstance(shown, Mapping) else shown
    return side if isinstance(side, int) else None


def _processor(folder: Path) -> Path:
    """The file that says how pictures are prepared; the first of its names where there is none."""
    return next((folder / name for name in _PROCESSORS if (folder / name).is_file()), folder / _PROCESSORS[0])


def folder_problems(model: str, types: Sequence[str], texts: bool = False) -> Iterator[str]:
    """What keeps a folder from being loaded as a network of one of the ``types``, a sentence each. Loads no weights.

    Args:
        types: as ``model_type`` in ``config.json`` names them.
        texts: whether it needs a tokenizer, too.
    """
    try:
        folder = fetched(model)
        if not folder.is_dir():
            meant = f"; did you mean {HUB}{model}?" if NAME.fullmatch(model) and not folder.exists() else ""
            yield f"found {model!r}, no such folder; needs one as save_pretrained writes it, or {HUB}OWNER/NAME{meant}"
            return
        config = read_object(folder / "config.json")
        if (kind := config.get("model_type")) not in types:
            yield f"{folder / 'config.json'}: model_type: found {kind!r}; needs one of {', '.join(types)}"
            return
        processor = _processor(folder)
        if processor.is_file():
            side, needs = _side(read_object(processor)), _vision(config).get("image_size")
            if kind in _OF_ONE_SIZE and None not in (side, needs) and side != needs:
                yield f"{processor}: makes pictures of {side} pixels; config.json needs {needs} (image_size)"
        else:
            yield f"{processor}: missing; it says how pictures are prepared: {_SAFE}"
        if texts:
            yield from tokenizer_problems(folder)
        weights = tensors_of(folder, _STEM, PLAIN).shapes
        if differs := disagreement(_expected(config, weights), weights):
            yield f"{folder}: weights of another network than config.json says: {differs}"
    except WorkbenchError as error:
        yield error.line
    except OSError as error:
        yield f"{error.filename or model}: can't be read ({error.strerror or error})"
    except (ValueError, TypeError) as error:  # a path with a null byte, a config with texts for numbers
        yield f"{model!r}: can't be used ({error})"


def _expected(config: Mapping[str, Any], weights: Mapping[str, Shape]) -> dict[str, Shape]:
    """The shape of the convolution that cuts pictures into patches, and of CLIP's projections, where config says it."""
    seen, text = _vision(config), config.get("text_config")
    width, patch, space = seen.get("hidden_size"), seen.get("patch_size"), config.get("projection_dim")
    patches = next((name for name in weights if re.search(r"patch_embeddings?(\.projection)?\.weight$", name)), None)
    shapes: dict[str, tuple[Any, ...]] = {}
    if patches:
        shapes[patches] = (width, seen.get("num_channels", 3), patch, patch)
    if config.get("model_type") == "clip":
        shapes["visual_projection.weight"] = (space, width)
        shapes["text_projection.weight"] = (space, text.get("hidden_size") if isinstance(text, Mapping) else None)
    return {name: shape for name, shape in shapes.items() if all(isinstance(size, int) for size in shape)}


def _vision(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a config that is of the network that sees pictures."""
    part = config.get("vision_config")
    return part if isinstance(part, Mapping) else config


def load(network: Any, folder: Path, spared: tuple[str, ...] = ()) -> Any:
    """A model of a class of transformers, in float32, of safetensors alone; ``spared``: prefixes of weights that may be
    missing, as their results aren't read.

    Raises:
        RunError: weights are missing or of another shape, which transformers would fill with noise.
    """
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()  # its bar for reading a few weights would break ours
    try:
        model, said = network.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, dtype=torch.float32, output_loading_info=True
        )
    except Exception as error:  # configs can be wrong in any way
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RunError(f"{folder}: transformers can't load it as {network.__name__} ({reason})") from error
    lacking = sorted(
        str(key) for key in [*said["missing_keys"], *said["mismatched_keys"]] if not str(key).startswith(spared)
    )
    if lacking:
        raise RunError(f"{folder}: {len(lacking)} weights are missing or of another shape, such as {lacking[0]}")
    return model.eval()


def load_processor(folder: Path) -> Any:
    """What prepares pictures, by Pillow whether or not torchvision is there, so that numbers are the same everywhere.

    Raises:
        RunError: transformers can't read it.
    """
    from transformers import AutoImageProcessor

    try:
        return AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True)
    except Exception as error:  # as above
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RunError(f"{folder}: transformers can't read how pictures are prepared ({reason})") from error
