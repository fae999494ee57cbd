"""A candidate as a folder that others' software loads, all that was measured of it, and whether it still draws so."""
