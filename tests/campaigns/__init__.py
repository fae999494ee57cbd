"""Campaigns: the command killed at random moments (`make chaos`) and given random nonsense (`make fuzz`)."""
