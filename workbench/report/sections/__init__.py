"""The sections of the report's page, a folder each."""
