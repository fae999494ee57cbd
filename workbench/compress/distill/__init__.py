"""The steps that train a student U-Net: ``distill`` (BK-SDM) and ``distill_consistency`` (LCM)."""
