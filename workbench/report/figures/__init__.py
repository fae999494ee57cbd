"""Figures: matplotlib to SVG, the same bytes each time."""
