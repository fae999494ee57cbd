"""Models that aren't pipeline folders as they lie there: single files, architectures, pickles, LoRAs on top."""
