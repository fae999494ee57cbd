"""workbench: makes a diffusion model small, profiles it layer by layer, and says which configuration to ship."""

import os

# Before any library that reports usage is loaded: nothing leaves this machine.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("NNCF_CI", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
