"""Attention on an accelerator with a small scratchpad: the cost of its score matrices, and cutting them into tiles."""
