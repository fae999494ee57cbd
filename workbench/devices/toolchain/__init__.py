"""What a device is given: the runner compiled for it, and ONNX Runtime's library."""
