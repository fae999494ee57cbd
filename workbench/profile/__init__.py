"""Measuring: the clock, MACs, memory, layers; one file per runtime."""
