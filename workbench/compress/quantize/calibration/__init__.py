"""What calibration sees: samples along the trajectory, ranges, histograms, second moments."""
