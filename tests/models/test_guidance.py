"""The embedding of guidance against diffusers' own."""

from __future__ import annotations

import numpy as np
import torch

from workbench.models.guidance import guidance_embedding


def test_the_embedding_is_that_of_diffusers():
    from diffusers import LatentConsistencyModelPipeline

    w = np.array([0.0, 2.0, 7.5])
    theirs = LatentConsistencyModelPipeline.get_guidance_scale_embedding(None, torch.tensor(w), embedding_dim=256)
    found = guidance_embedding(w)
    assert found.dtype == np.float32 and np.allclose(found, theirs.numpy(), atol=1e-3)
