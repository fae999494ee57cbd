"""Profiles for other programs' viewers."""
