"""The published sets of special cases of quantization, as data.

Patterns name layers of diffusers U-Nets; in another component they may match nothing. Two published methods aren't here
because no fixed set expresses them: Apple's mixed-bit palettes (every layer's bits follow from its own measured
sensitivity) and ViDiT-Q (arXiv 2406.02540, whose exemptions name layers of diffusion transformers).
"""

from __future__ import annotations

from collections.abc import Mapping

from workbench.models.families.policy import PolicySet

_EDGES = (r"^conv_in$", r"^conv_out$")
_TIME = (r"time_embedding", r"time_emb_proj", r"add_embedding")
_SHORTCUTS = (r"conv_shortcut",)

POLICIES: Mapping[str, PolicySet] = {
    "none": PolicySet(),
    "edges": PolicySet(_EDGES),
    "time": PolicySet(_TIME),
    "edges_time": PolicySet((*_EDGES, *_TIME)),
    "shortcuts": PolicySet(_SHORTCUTS),
    "text_kv": PolicySet((r"attn2\.to_[kv]$",)),
    "ff_out": PolicySet((r"ff\.net\.2$",)),
    "nvidia": PolicySet(
        (*_TIME, *_EDGES, *_SHORTCUTS),
        source="NVIDIA Model-Optimizer, examples/diffusers/quantization",
        note="Its SmoothQuant on linears and its percentile ranges are no part of the set.",
    ),
    "qdiffusion": PolicySet(
        shortcut_split=True,
        attention="quantized",
        softmax_bits=16,
        source="Q-Diffusion, arXiv 2302.04304, the recipe for Stable Diffusion v1.4",
        note="Weights there are asymmetric and rounded by AdaRound, activations' scales are learned.",
    ),
    "ptq4dm": PolicySet(
        source="PTQ4DM, arXiv 2211.15736",
        note="Exempts nothing; what it adds is which timesteps calibrate.",
    ),
    "ptqd": PolicySet(
        _EDGES,
        source="PTQD, arXiv 2305.10657",
        note="First and last layer have 8 bits there, here they stay float. Its correction of the quantization noise "
        "in the sampler isn't done.",
    ),
    "tfmq": PolicySet(
        (*_EDGES, *_TIME),
        source="TFMQ-DM, arXiv 2311.16503",
        note="The time layers are quantized there, with ranges for each timestep; here they stay float. Early layers "
        "that its helper can exempt as well aren't exempt here.",
    ),
    "efficientdm": PolicySet(
        _EDGES,
        source="EfficientDM, arXiv 2310.03270",
        note="First and last layer have 8 bits there, here they stay float. Scales for each sampling step and the "
        "training of low-rank weights aren't done.",
    ),
    "quest": PolicySet(
        shortcut_split=True,
        attention="quantized",
        softmax_bits=16,
        source="QuEST, arXiv 2402.03666",
        note="Its fine-tuning of time projections, feed-forward and attention layers isn't done.",
    ),
    "mixdq": PolicySet(
        (
            *_EDGES,
            r"^down_blocks\.0\.resnets\.0\.conv2$",
            r"^up_blocks\.2\.resnets\.2\.conv_shortcut$",
            r"^down_blocks\.2\.attentions\.1\.transformer_blocks\.[5-8]\.ff\.net\.2$",
            r"^up_blocks\.0\.attentions\.0\.transformer_blocks\.0\.ff\.net\.2$",
        ),
        shortcut_split=True,
        first_token=True,
        source="MixDQ, arXiv 2405.17873, the released list for SDXL-Turbo",
        note="Nine layers of SDXL by name, found by measuring SDXL-Turbo: another U-Net has some of the names only. "
        "Their weights are quantized there, only their inputs stay float; here both do. Bits of each layer aren't "
        "searched.",
    ),
    "svdquant": PolicySet(
        (*_EDGES, *_TIME, *_SHORTCUTS, r"attentions\.\d+\.proj_(in|out)$", r"(down|up)samplers\."),
        source="SVDQuant, arXiv 2411.05007, deepcompressor's settings for SDXL",
        note="Its low-rank float branch, smoothing and dynamic activations by group aren't done, and 4-bit activations "
        "aren't offered.",
    ),
    "apple": PolicySet(
        (*_TIME, r"attn[12]\.to_out\."),
        attention="quantized",
        softmax_bits=8,
        source="Apple ml-stable-diffusion, activation_quantization.py",
        note="to_out has 8-bit weights and float activations there, here both stay float. Layers and attention "
        "products that fall below a measured PSNR aren't sought out.",
    ),
    "qualcomm": PolicySet(
        attention="quantized",
        softmax_bits=16,
        source="Qualcomm AI Hub Models, stable_diffusion",
        note="For scheme w8a16 with one weight scale a tensor, in all components. The softmax's range is 0 to 0.996 "
        "there, 0 to 1 here; attention isn't split by head, nor linears written as convolutions.",
    ),
    "edgefusion": PolicySet(
        source="EdgeFusion, arXiv 2404.11925",
        note="For scheme w8a16 of the U-Net, text encoder and decoder in fp16. The paper names no exempt layer and "
        "says nothing on attention's products.",
    ),
    "bitsfusion": PolicySet(
        (*_EDGES, r"time_embedding"),
        source="BitsFusion, arXiv 2406.04333, by way of third-party notes",
        note="Its 1.99 bits a weight, mixed by layer, and its training aren't done.",
    ),
}
"""Policies by name. Where a note or a method is silent on attention's products, they stay float."""
