"""Quantization of ONNX graphs by our own quantizer: Q/DQ pairs, weights, attention."""
