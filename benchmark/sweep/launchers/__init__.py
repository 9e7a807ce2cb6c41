"""Launchers: what carries out the runs of a sweep, one module each."""
