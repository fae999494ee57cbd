"""Results on disk: content-addressed, written atomically, with the environment that they come from."""
