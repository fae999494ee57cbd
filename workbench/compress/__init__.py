"""Steps: one file each. A step is a config class and a function; ``registry`` finds both."""
