"""Sparse tensors: what they are (`tensor`), how they are made (`construct`, `convert`), and what can be done
with them (`products`, `pointwise`, `reduction`, `rearrange`), by a table of names (`table`)."""

from .table import attach

attach()
