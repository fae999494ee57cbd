"""``workbench runs``: what was done so far, and two runs against each other."""
