"""Tables and plots from the records that runs left; nothing here needs torch."""
