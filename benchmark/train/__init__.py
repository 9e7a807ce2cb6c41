"""Training one phase: optimiser, steps, checkpoints."""
