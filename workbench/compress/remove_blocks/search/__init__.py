"""The search for blocks to remove, by measured damage."""
