"""The command line: one short file per verb. Nothing heavy is imported before a verb needs it."""
