"""The ranking: constraints, standing, the choice and the words for it. Pure data."""
