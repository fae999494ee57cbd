"""``workbench tile``."""
