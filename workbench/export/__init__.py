"""PyTorch to ONNX with the layer on every node, and the check that both agree."""
