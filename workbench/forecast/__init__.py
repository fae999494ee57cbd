"""What work takes, before it is done: from its products, this machine's speed, and what similar work took before."""
