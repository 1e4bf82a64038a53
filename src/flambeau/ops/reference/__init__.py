"""What operations mean, as plain functions from NumPy arrays to NumPy arrays."""
