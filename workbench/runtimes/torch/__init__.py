"""PyTorch, eager and compiled: layers, MACs, memory."""
