"""Sections of the report's page: each gathers its facts from a run."""
