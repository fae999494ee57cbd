"""Attention on an accelerator with a small scratchpad: what its score matrices cost, and cutting them into tiles."""
