"""The recipe: its schema, how it is read, checked whole, and turned into a plan."""
