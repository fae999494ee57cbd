"""Quantization by NNCF, for ONNX and OpenVINO files."""
