"""An ONNX file in plain form in the store, where there is something in it that some runtimes don't take."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workbench.graphs.plain import plain
from workbench.store.depends import depends_on
from workbench.store.store import Store, key_of

_IN_ONE_FILE = 2**30
"""Bytes up to which weights lie in the file itself; one file ends at 2 GiB."""


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
