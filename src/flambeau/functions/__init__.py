"""Public functions by family: argument handling over the operations, and the tensor methods made of them."""
