"""Weights on a grid: groups, scales, rounding, GPTQ."""
