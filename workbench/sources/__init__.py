"""What can be profiled and counted: from what a user names to networks."""

from workbench.sources.request import Request
from workbench.sources.resolve import resolve

__all__ = ["Request", "resolve"]
