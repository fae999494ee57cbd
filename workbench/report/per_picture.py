"""What one picture takes of each component, from a profile's summary."""

from __future__ import annotations

from workbench.profile.summary import Summary
from workbench.report.format import known


def passes_of(profile: Summary) -> dict[str, int]:
    """How often each component runs for one picture; one that isn't named here runs once."""
    pipeline = profile.get("pipeline") or {}
    guidance = pipeline.get("guidance_passes") or 1
    return {"text_encoder": guidance, "unet": guidance * (pipeline.get("steps") or 1)}


def picture_macs(profile: Summary) -> tuple[float, float] | None:
    """MACs of one whole picture, and those of them in int8."""
    passes = passes_of(profile)
    components = {n: c for n, c in (profile.get("components") or {}).items() if known(c.get("macs"))}
    if not components:
        return None
    macs = {name: c["macs"] * passes.get(name, 1) for name, c in components.items()}
    return sum(macs.values()), sum(macs[n] * (c.get("quantized_macs_share") or 0.0) for n, c in components.items())
