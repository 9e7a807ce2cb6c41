"""Sweeps: methods x sequences x seeds, each run in a process of its own."""
