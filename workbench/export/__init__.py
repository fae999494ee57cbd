"""PyTorch to ONNX with nodes named by layer, and the check that both agree."""
