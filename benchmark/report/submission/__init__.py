"""Whether records are what runs left, and handing them in."""
