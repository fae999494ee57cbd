"""Weights that lie beside an ONNX file: read one at a time, and shared by files that differ in their graphs alone."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import onnx_ir as ir


def unmapped(tensor: ir.TensorProtocol) -> np.ndarray:
    """A tensor's values as an array of its own; the file that they lie in doesn't stay in memory."""
    import onnx_ir as ir

    if not isinstance(tensor, ir.ExternalTensor):
        return tensor.numpy()
    values = tensor.numpy().copy()
    tensor.release()
    return values


def save_linked(model: ir.Model, path: Path) -> None:
    """Writes an ONNX file for work that ends with its folder: weights that lie beside other files stay there.

    Such a file of weights becomes a hard link in the folder of ``path``, or a copy where there are no such links. It
    must not change. What the model holds in memory goes into ``path`` itself, which ends at 2 GB.
    """
    import onnx_ir as ir

    path.parent.mkdir(parents=True, exist_ok=True)
    links: dict[Path, str] = {}
    own = {value: value.const_value for value in model.graph.initializers.values()}
    for value, tensor in own.items():
        if not isinstance(tensor, ir.ExternalTensor) or Path(tensor.path).parent.resolve() == path.parent.resolve():
            continue
        data = Path(tensor.path)
        if data not in links:
            links[data] = f"{path.name}.{len(links)}.data"
            _link(data, path.with_name(links[data]))
        where = links[data], tensor.offset, tensor.length, tensor.dtype
        value.const_value = ir.ExternalTensor(*where, shape=tensor.shape, name=tensor.name, base_dir=path.parent)
    try:
        ir.save(model, path)
    finally:  # onnx_ir reads no file that has several links
        for value, tensor in own.items():
            value.const_value = tensor


def _link(file: Path, link: Path) -> None:
    with suppress(FileNotFoundError):
        link.unlink()
    try:
        os.link(file, link)
    except OSError:  # a file system without links, or another one
        shutil.copyfile(file, link)
