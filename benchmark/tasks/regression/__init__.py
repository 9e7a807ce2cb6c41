"""The task kind 'regression'."""
