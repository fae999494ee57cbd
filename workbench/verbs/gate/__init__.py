"""``workbench gate``: is a release worse than the one before, and where."""
