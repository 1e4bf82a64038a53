"""From text to tokens: characters, words, and pieces of words through the `tokenizers` package."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..core.tensor import Tensor, from_array
from ..utils.naming import library

__all__ = ["Subwords", "characters", "whitespace", "words"]

_WORD = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]")


def characters(text: str) -> list[str]:
    """The characters (code points) of a text.

    >>> from flambeau.text import characters
    >>> characters("a b")
    ['a', ' ', 'b']
    """
    return list(text)


def whitespace(text: str) -> list[str]:
    """What stands between spaces, tabs and ends of lines.

    >>> from flambeau.text import whitespace
    >>> whitespace("To be,  or not")
    ['To', 'be,', 'or', 'not']
    """
    return text.split()


def words(text: str, lower: bool = True) -> list[str]:
    """Words and marks: a run of letters, digits and underscores, which may hold apostrophes, is a word;
    every other character that is not white space is a token of its own.

    Args:
        text: the text.
        lower: whether to make letters small first.

    >>> from flambeau.text import words
    >>> words("Don't panic: it's 42!")
    ["don't", 'panic', ':', "it's", '42', '!']
    """
    return _WORD.findall(text.lower() if lower else text)


class Subwords:
    """Pieces of words, by a tokenizer of the `tokenizers` package (`pip install 'flambeau[text]'`).

    It has its own vocabulary, so it goes from text to ids, and back.

    Args:
        tokenizer: a `tokenizers.Tokenizer`.

    Raises:
        TypeError: it is something else.

    Example, which needs the package:

        subwords = Subwords.train(open("book.txt"), size=2000)
        ids = subwords.encode("once upon a time")
        subwords.decode(ids)  # "once upon a time"
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        if not isinstance(tokenizer, _package().Tokenizer):
            raise TypeError(
                f"Subwords: expected a tokenizers.Tokenizer, got a {type(tokenizer).__name__}; "
                "read a file with Subwords.load(path)"
            )

    @classmethod
    def train(
        cls, texts: Iterable[str], size: int, *, min_freq: int = 2, specials: Sequence[str] = ("<pad>",)
    ) -> Subwords:
        """Learns byte pair encoding: starting from the 256 bytes, the commonest pair of neighbours becomes a
        piece, until there are `size` pieces. Every text can be encoded, and decoding gives it back exactly.

        Args:
            texts: texts to learn from.
            size: how many pieces there are in the end, specials and bytes included.
            min_freq: how often a pair must come.
            specials: tokens with the first ids, which stand for nothing in a text.

        Raises:
            ModuleNotFoundError: the `tokenizers` package is not installed.
            ValueError: `size` leaves no room for the bytes and specials.
            TypeError: `texts` is a single string.
        """
        package = _package()
        if isinstance(texts, str):
            raise TypeError("Subwords.train: texts is one string, expected several; pass [text]")
        least = 256 + len(specials)
        if size < least:
            raise ValueError(f"Subwords.train: size={size} is too small, bytes and specials take {least}")
        tokenizer = package.Tokenizer(package.models.BPE())
        tokenizer.pre_tokenizer = package.pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = package.decoders.ByteLevel()
        trainer = package.trainers.BpeTrainer(
            vocab_size=size,
            min_frequency=min_freq,
            special_tokens=list(specials),
            initial_alphabet=sorted(package.pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Subwords:
        """Reads a `tokenizer.json`, of any kind that the package knows.

        Raises:
            ModuleNotFoundError: the `tokenizers` package is not installed.
            FileNotFoundError: there is no such file.
            ValueError: the file holds no tokenizer.
        """
        package = _package()
        with open(path, encoding="utf-8") as file:
            text = file.read()
        try:
            return cls(package.Tokenizer.from_str(text))
        except Exception as error:
            if type(error) is not Exception:  # the package raises no other class for a bad file
                raise
            raise ValueError(f"Subwords.load: {path} holds no tokenizer ({error})") from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a `tokenizer.json`."""
        self.tokenizer.save(os.fspath(path))

    def __call__(self, text: str) -> list[str]:
        """The pieces of a text."""
        pieces: list[str] = self.tokenizer.encode(text).tokens
        return pieces

    def encode(self, text: str) -> Tensor:
        """The ids of a text's pieces, an int64 tensor (N)."""
        return from_array(np.array(self.tokenizer.encode(text).ids, np.int64))

    def decode(self, ids: Tensor | Iterable[int]) -> str:
        """The text of ids, without specials."""
        numbers = ids.tolist() if isinstance(ids, Tensor) else [int(i) for i in ids]
        text: str = self.tokenizer.decode(numbers)
        return text

    def __len__(self) -> int:
        return int(self.tokenizer.get_vocab_size())

    def __repr__(self) -> str:
        return f"Subwords({len(self)} pieces)"


def _package() -> Any:
    return library("tokenizers", "text", "flambeau.text.Subwords")
