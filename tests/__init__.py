"""Tests, laid out as the package is; what several folders share lies in ``fixtures``."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The repository."""
