"""What every operation means: one record each, made by its kind. Knows tensors and nodes, and no backend."""
