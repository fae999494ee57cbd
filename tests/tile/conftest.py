"""The embedded model's parts, exported once for this room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from workbench.export.store import stored_export
from workbench.models.candidate import Candidate
from workbench.models.components import spec
from workbench.models.sources import base_candidate
from workbench.store.store import Store

Part = tuple[Path, dict[str, np.ndarray]]


@pytest.fixture(scope="session")
def tile_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("tile") / "store")


@pytest.fixture(scope="session")
def whole(tile_store: Store) -> Candidate:
    return base_candidate("demo", tile_store)


@pytest.fixture(scope="session")
def unet(whole: Candidate, tile_store: Store) -> Part:
    """The U-Net's file, and a feed."""
    return stored_export(whole, "unet", tile_store), spec(whole, "unet").seeded()


@pytest.fixture(scope="session")
def text_encoder(whole: Candidate, tile_store: Store) -> Part:
    """The text encoder's file, and a feed: its attention has a mask before the softmax and a guard behind it."""
    return stored_export(whole, "text_encoder", tile_store), spec(whole, "text_encoder").seeded()
