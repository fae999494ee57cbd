"""``workbench npu``."""
