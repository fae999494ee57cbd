"""The step ``quantize``: schemes, policies, calibration, weights, and the files of each backend."""
