"""Data sets: where images and labels come from, and the store they are read from."""
