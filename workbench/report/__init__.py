"""From scores and profiles to a choice, a table and one HTML page."""
