"""ONNX graphs as data: reading without weights, walking, naming, shapes, counting."""
