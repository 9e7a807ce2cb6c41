"""How long a training step takes, what it consists of and how that compares with the machine."""
