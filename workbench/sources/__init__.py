"""What can be profiled and counted: from what a user names to networks."""

from workbench.sources.resolve import resolve

__all__ = ["resolve"]
