"""Tables as tensors: reading, splitting, preprocessing that is saved with the model, and a model for them.

>>> import flambeau as torch
>>> from flambeau.tabular import Preprocessor, Table, TabularDataset, TabularModel
>>> table = Table({"size": [50, 80, 120], "town": ["Bern", "Basel", "Bern"], "price": [0.4, 0.5, 0.9]})
>>> preprocessor = Preprocessor(target="price").fit(table)
>>> categories, numbers, target = TabularDataset(table, preprocessor)[:]
>>> categories
tensor([[2],
        [1],
        [2]])
>>> TabularModel.suited_to(preprocessor)(categories, numbers).shape
torch.Size([3])
"""

from .dataset import TabularDataset
from .files import read_csv, read_parquet
from .model import TabularModel, embedding_size
from .preprocessor import Encoded, Preprocessor
from .splitting import split
from .table import Column, Table

__all__ = [
    "Column",
    "Encoded",
    "Preprocessor",
    "Table",
    "TabularDataset",
    "TabularModel",
    "embedding_size",
    "read_csv",
    "read_parquet",
    "split",
]
