"""PyTorch's checkpoint files: an archive of storages, and a pickle that says what they are parts of."""
