"""``workbench schemes``."""
