"""Which runs there are, which of them may be compared, and their scores."""
