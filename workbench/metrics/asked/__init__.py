"""Metrics that a recipe asks for in ``evaluate.metrics``. A file with a ``CONFIG`` is one; its name is the key."""
