"""What a user reads on the screen is ours: libraries' known messages on import stay out, all others come through."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from tests.fixtures.command import environment, process
from workbench.log_filters import KNOWN


def python(code: str) -> subprocess.CompletedProcess[str]:
    # Exporting a model sets the level of diffusers' log for the whole process, and those that it starts.
    env = {name: value for name, value in environment().items() if name != "DIFFUSERS_VERBOSITY"}
    return process([sys.executable, "-c", code], env=env)


def test_loading_a_model_and_fake_quantization_prints_nothing():
    done = python(
        "from workbench.models.sources import demo_folder\n"
        "from workbench.models.unet import load_unet\n"
        "load_unet(demo_folder() / 'unet')\n"
        "from torchao.quantization.quant_primitives import _fake_quantize_affine\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_the_filters_the_messages_are_there():
    done = python("from diffusers import UNet2DConditionModel")
    # "Failed to load" depends on the machine: it is about CUDA kernels.
    for sign in ("is an Enum subclass", "Unable to import `torchao` Tensor objects"):
        assert sign in done.stderr, f"no longer printed: drop it from workbench/log_filters.py ({sign})"


@pytest.mark.parametrize("name", KNOWN)
def test_other_messages_of_these_libraries_come_through(name):
    seen = []

    class Keep(logging.Handler):
        def emit(self, record):
            seen.append(record.getMessage())

    logger, keep = logging.getLogger(name), Keep()
    logger.addHandler(keep)
    try:
        logger.warning("something new about %s", "a tensor")
        logger.warning(KNOWN[name][0] + " …", *(["x"] if "%s" in KNOWN[name][0] else []))
    finally:
        logger.removeHandler(keep)
    assert seen == ["something new about a tensor"]
