"""Where models come from, and the candidate: a model at one point of the chain."""
