"""Text as tensors: tokenizers, vocabularies, padded batches, buckets of like length, and datasets.

>>> import flambeau as torch
>>> from flambeau.text import Vocabulary, words
>>> vocabulary = Vocabulary.from_texts(["the torch", "the flame"], words)
>>> vocabulary.encode(words("The torch!"))
tensor([2, 4, 1])
"""

from .batching import BucketBatchSampler, Padded, PaddingCollate
from .classification import TextClassification
from .tokenizers import Subwords, characters, whitespace, words
from .vocabulary import Vocabulary
from .windows import ContiguousWindows, Windows

__all__ = [
    "BucketBatchSampler",
    "ContiguousWindows",
    "Padded",
    "PaddingCollate",
    "Subwords",
    "TextClassification",
    "Vocabulary",
    "Windows",
    "characters",
    "whitespace",
    "words",
]
