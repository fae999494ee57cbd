"""ONNX graphs as data: read without weights, walked, named, shaped, and counted."""
