"""One folder for each runtime; ``base`` says what a runtime is."""
