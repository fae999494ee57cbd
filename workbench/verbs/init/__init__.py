"""Writing a recipe of one's own."""
