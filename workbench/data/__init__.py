"""Captioned pictures: what distillation learns from, calibration and evaluation ask for."""
