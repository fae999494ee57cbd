"""The page of ``workbench profile``."""
