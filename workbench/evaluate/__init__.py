"""Quality of a candidate: fidelity to a reference, alignment with the prompt, distance of distributions."""
