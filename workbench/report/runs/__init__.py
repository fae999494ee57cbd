"""The page of two runs against each other."""
