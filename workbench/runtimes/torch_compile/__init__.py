"""PyTorch through ``torch.compile``: Inductor's kernels on modules."""
