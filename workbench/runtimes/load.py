"""A session for any component's file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.runtimes.onnxruntime.session import session


def runner(path: Path, threads: int | None = None) -> Any:
    """A session that runs a component's file: OpenVINO's for an ``.xml``, else ONNX Runtime's.

    Both have ``run(None, feed)``, ``get_inputs()`` and ``get_outputs()``.

    Raises:
        InputError: the file is OpenVINO's, which isn't installed.
        RunError: the file can't be loaded.
    """
    from workbench.runtimes.openvino.session import SUFFIX, OpenVinoSession

    return OpenVinoSession(path, threads) if path.suffix == SUFFIX else session(path, threads)
