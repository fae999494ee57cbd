"""What a measurement is: clock, network, layers, counts, kinds of work, SQNR; knows no runtime."""
