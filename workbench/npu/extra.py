"""The compiler and simulator are Qualcomm's, under a licence of its own: an optional extra, never shipped here."""

from __future__ import annotations

import importlib.metadata

from workbench.errors import InputError

DISTRIBUTION = "onnxruntime-qnn"
REQUIREMENT = f"{DISTRIBUTION}==2.7.*"


def version() -> str | None:
    """The installed version; None: it isn't installed."""
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return None


def required() -> str:
    """The installed version.

    Raises:
        InputError: it isn't installed.
    """
    if (there := version()) is None:
        raise InputError(
            f"npu: {DISTRIBUTION}, Qualcomm's compiler for its NPUs, is not installed",
            hint=f'pip install "{REQUIREMENT}" (proprietary binaries, under Qualcomm\'s AI Stack License)',
        )
    return there
