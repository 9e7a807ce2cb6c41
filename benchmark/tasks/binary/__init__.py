"""The task kind 'binary'."""
