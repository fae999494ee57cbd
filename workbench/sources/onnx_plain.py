"""An ONNX file with its functions written out where they are called, in the store: some runtimes know no functions."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.graphs.plain import ALIAS, plain
from workbench.graphs.walk import nodes_of
from workbench.store.depends import depends_on
from workbench.store.store import Store, key_of

if TYPE_CHECKING:
    import onnx

_IN_ONE_FILE = 2**30
"""Bytes up to which weights lie in the file itself; one file ends at 2 GiB."""


def needs_writing(model: onnx.ModelProto) -> bool:
    """Whether a runtime may not know what is in it: functions of its own, ONNX's domain by its other name."""
    return bool(model.functions) or any(node.domain == ALIAS for node in nodes_of(model))


def stored_plain(path: Path, files: Iterable[Path], store: Store) -> Path:
    """The file at ``path`` in plain form, made once; ``files`` are all that it consists of."""
    key = key_of(
        {
            "plain": path.stem,
            "files": store.folder_hash(path.parent, files),
            **depends_on(_write),
        }
    )
    store.compute(key, lambda out: _write(path, out))
    return store.folder(key) / f"{path.stem}.onnx"


def _write(path: Path, out: Path) -> dict[str, Any]:
    import onnx

    model = plain(onnx.load(path), path)
    name = f"{path.stem}.onnx"
    apart = model.ByteSize() > _IN_ONE_FILE
    onnx.save(model, out / name, save_as_external_data=apart, location=f"{name}.data" if apart else None)
    return {"plain": name}
