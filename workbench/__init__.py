"""workbench: makes a diffusion model small, profiles it layer by layer, and says which configuration to ship."""

import os
import sys
import types

from workbench.log_filters import silence

# Before any library that reports usage is loaded: nothing leaves this machine.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("NNCF_CI", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
# Importing openvino (nncf does) reports that import and leaves files in the home folder, and no variable stops it
# outside CI. Where this package of Intel's can't be imported, both take stubs of their own that do nothing.
sys.modules.setdefault("openvino_telemetry", types.ModuleType("openvino_telemetry"))
silence()

__version__ = "0.1.0"
