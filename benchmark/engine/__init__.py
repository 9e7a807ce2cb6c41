"""From a request to a record: plan, protocol, training, evaluation, checkpoints."""
