"""Networks compiled for a Qualcomm NPU, and computed by its simulator; no NPU is needed, and none is timed."""
