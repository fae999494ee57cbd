"""``workbench compare``."""
