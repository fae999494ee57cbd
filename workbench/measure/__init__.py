"""What a measurement is: clock, network, layers, counts, memory, SQNR; knows no runtime."""
