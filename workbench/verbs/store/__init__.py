"""``workbench store``: what takes the space, what of it can go, whether it is sound, and where things lie."""
