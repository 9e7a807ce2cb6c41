"""Comparison tables, in the formats people and programs read."""
