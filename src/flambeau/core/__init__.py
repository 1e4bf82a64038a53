"""What a tensor is: dtypes, devices, graph nodes, storage and views, recording and realizing. Knows no
operation."""
