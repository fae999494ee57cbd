"""Verbs about what was done so far: runs, the store that keeps them, one release against another."""
