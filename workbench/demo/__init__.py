"""The embedded model and how it was made: its pictures, its training in stages, its packing."""
