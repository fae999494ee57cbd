"""Measuring on attached devices: the runner that runs there, its build, its libraries, and what comes back."""
