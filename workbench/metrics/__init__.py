"""What a candidate is scored by. A file of this folder with a ``METRIC`` is a metric; all others read it from there."""
