"""PyTorch's operators that multiply nothing, by what they do; pointwise ones carry a tag of PyTorch's own."""

from __future__ import annotations

REDUCTIONS = {
    "native_group_norm", "native_layer_norm", "native_batch_norm", "_native_batch_norm_legit_no_training",
    "_fused_rms_norm", "_softmax", "_safe_softmax", "_log_softmax", "mean", "sum", "prod", "amax", "amin", "var",
    "var_mean", "std", "argmax", "argmin", "max", "min", "any", "all", "cumsum", "logsumexp", "norm",
    "linalg_vector_norm", "avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool2d_with_indices",
    "max_pool3d_with_indices", "_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_max_pool2d",
    "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "upsample_linear1d", "upsample_bilinear2d",
    "upsample_bicubic2d", "upsample_trilinear3d",
}  # fmt: skip
"""One operation for each element of the first tensor."""
FREE = {
    "cat", "clone", "copy_", "_to_copy", "empty", "empty_like", "empty_strided", "new_empty", "zeros", "zeros_like",
    "ones", "ones_like", "full", "full_like", "fill_", "zero_", "arange", "scalar_tensor", "embedding", "index",
    "_unsafe_index", "index_select", "gather", "constant_pad_nd", "_unsafe_view", "lift_fresh", "lift_fresh_copy",
    "stack", "triu", "tril", "_local_scalar_dense", "device", "new_zeros", "new_ones", "new_full", "view", "detach",
    "unsafe_split", "unsafe_split_with_sizes", "unsafe_chunk", "split_with_sizes_copy", "roll", "flip", "repeat",
    "reflection_pad1d", "reflection_pad2d", "replication_pad1d", "replication_pad2d", "pixel_shuffle", "scatter",
    "index_put", "index_put_", "masked_fill", "masked_fill_", "slice_scatter", "select_scatter", "eye", "linspace",
    "pixel_unshuffle", "channel_shuffle", "native_dropout", "resolve_conj", "resolve_neg", "set_", "resize_", "nonzero",
    "transpose_", "t_", "squeeze_", "unsqueeze_", "as_strided_", "swapaxes_",
}  # fmt: skip
"""Operators that move or make data: no arithmetic."""
NO_MEMORY = ("empty", "new_empty", "empty_like", "empty_strided", "detach", "_unsafe_view", "device")
"""Operators that PyTorch doesn't call views but that write nothing."""
