"""What can be profiled and counted: from what a user names to networks."""

from workbench.subjects.source import resolve

__all__ = ["resolve"]
