"""The step ``prune``: narrower layers, chosen by importance, verified by running them."""
