"""Two networks or two stored profiles against each other: ratios with intervals, layer by layer, and why."""
