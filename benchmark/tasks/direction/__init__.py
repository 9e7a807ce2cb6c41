"""The task kind 'direction'."""
