"""ONNX Runtime: sessions, its trace, kernels on layers."""
