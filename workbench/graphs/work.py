"""ONNX operators without products, by kind: arithmetic on elements, reductions, moving data."""

from __future__ import annotations

ELEMENTWISE = frozenset((
    "Abs", "Acos", "Acosh", "Add", "And", "Asin", "Asinh", "Atan", "Atanh", "BiasGelu", "BiasSplitGelu", "BitShift",
    "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "Ceil", "Celu", "Clip", "Cos", "Cosh", "DequantizeLinear",
    "Div", "Elu", "Equal", "Erf", "Exp", "FastGelu", "Floor", "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid",
    "HardSwish", "IsInf", "IsNaN", "LeakyRelu", "Less", "LessOrEqual", "Log", "Max", "Mean", "Min", "Mish", "Mod",
    "Mul", "Neg", "Not", "Or", "PRelu", "Pow", "QLinearAdd", "QLinearLeakyRelu", "QLinearMul", "QLinearSigmoid",
    "QuantizeLinear", "QuickGelu", "Reciprocal", "Relu", "RotaryEmbedding", "Round", "ScaledTanh", "Selu", "Shrink",
    "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Swish", "Tan", "Tanh",
    "ThresholdedRelu", "Where", "Xor",
))  # fmt: skip
"""One operation for each element of the output."""
REDUCED = frozenset((
    "ArgMax", "ArgMin", "AveragePool", "BatchNormalization", "CumSum", "DynamicQuantizeLinear",
    "EmbedLayerNormalization", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "GroupNorm", "GroupNormalization",
    "Hardmax", "InstanceNormalization", "LRN", "LayerNormalization", "LogSoftmax", "LpNormalization", "LpPool",
    "MaxPool", "MeanVarianceNormalization", "QLinearAveragePool", "QLinearGlobalAveragePool", "QLinearSoftmax",
    "RMSNormalization", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Resize", "SimplifiedLayerNormalization",
    "SkipGroupNorm", "SkipLayerNormalization", "SkipSimplifiedLayerNormalization", "Softmax", "Upsample",
))  # fmt: skip
"""One operation for each element of the first input."""
FREE = frozenset((
    "AffineGrid", "Cast", "CastLike", "CenterCropPad", "Compress", "Concat", "ConcatFromSequence", "Constant",
    "ConstantOfShape", "DepthToSpace", "Dropout", "Expand", "EyeLike", "Flatten", "Gather", "GatherElements",
    "GatherND", "Identity", "If", "Loop", "NonZero", "OneHot", "Optional", "OptionalGetElement", "OptionalHasElement",
    "Pad", "QLinearConcat", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Range",
    "ReorderInput", "ReorderOutput", "Reshape", "ReverseSequence", "Scan", "Scatter", "ScatterElements", "ScatterND",
    "SequenceAt", "SequenceConstruct", "SequenceEmpty", "SequenceInsert", "SequenceLength", "SequenceMap", "Shape",
    "Size", "Slice", "SpaceToDepth", "Split", "SplitToSequence", "Squeeze", "Tile", "Transpose", "Trilu", "Unsqueeze",
))  # fmt: skip
"""No arithmetic."""
VIEWS = frozenset(("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"))
"""Operators whose output is their input's memory; they write nothing."""
