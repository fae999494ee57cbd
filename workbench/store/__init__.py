"""Results on disk: content-addressed, written atomically, with the environment they came from."""
