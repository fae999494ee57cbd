"""Captioned pictures for distillation, calibration and evaluation."""
