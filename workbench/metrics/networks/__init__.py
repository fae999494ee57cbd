"""Networks that metrics see pictures through, and the users' files that they are read from."""
