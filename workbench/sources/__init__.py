"""Everything that can be profiled and counted: from the user's SOURCE to networks."""

from workbench.sources.request import Request
from workbench.sources.resolve import resolve

__all__ = ["Request", "resolve"]
