"""PyTorch, eager: layers, MACs, memory of modules."""
