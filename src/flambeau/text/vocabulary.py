"""`Vocabulary`: which number stands for which token."""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..core.tensor import Tensor, from_array
from ..utils.naming import nearest

__all__ = ["Vocabulary"]

PAD, UNKNOWN = "<pad>", "<unk>"


class Vocabulary:
    """Tokens and their ids: the id of a token is its place in the list.

    A token that is not there gets the id `default_index`; if that is None, it is an error. Ids that are
    `pad_index` only fill up a batch, and are left out when ids are decoded.

    Args:
        tokens: the tokens in the order of their ids, each once.
        unknown: the token that stands for those that are not there, if it is among the tokens.
        pad: the token that fills up, if it is among the tokens.

    Attributes:
        tokens: the list of the tokens.
        default_index: the id of unknown tokens, or None. It may be set.
        pad_index: the id of padding, or None. It may be set.

    Raises:
        ValueError: a token comes twice.
        TypeError: a token is not a string.

    >>> from flambeau.text import Vocabulary
    >>> vocabulary = Vocabulary(["<pad>", "<unk>", "a", "b"])
    >>> len(vocabulary), vocabulary["b"], "c" in vocabulary
    (4, 3, False)
    >>> vocabulary.encode(["b", "c"])
    tensor([3, 1])
    """

    tokens: list[str]
    default_index: int | None
    pad_index: int | None

    def __init__(self, tokens: Iterable[str], *, unknown: str = UNKNOWN, pad: str = PAD) -> None:
        self.tokens = list(tokens)
        self._ids = {token: i for i, token in enumerate(self.tokens)}
        odd = next((token for token in self._ids if not isinstance(token, str)), None)
        if odd is not None:
            raise TypeError(f"Vocabulary: tokens must be strings, got a {type(odd).__name__}: {odd!r}")
        if len(self._ids) < len(self.tokens):
            twice = next(token for i, token in enumerate(self.tokens) if self._ids[token] != i)
            raise ValueError(f"Vocabulary: the token {twice!r} comes more than once; give each token once")
        self.default_index, self.pad_index = self._ids.get(unknown), self._ids.get(pad)

    # ----- Where tokens come from -----
    @classmethod
    def from_counts(
        cls,
        counts: Mapping[str, int],
        *,
        min_freq: int = 1,
        max_size: int | None = None,
        specials: Sequence[str] = (PAD, UNKNOWN),
        unknown: str = UNKNOWN,
        pad: str = PAD,
    ) -> Vocabulary:
        """The specials, then the tokens from the commonest to the rarest; of equally common ones, the first
        in the order of the alphabet.

        Args:
            counts: how often each token comes.
            min_freq: how often a token must come.
            max_size: the most tokens there may be, specials included.
            specials: tokens that come first, whether they are counted or not.
            unknown, pad: as for `Vocabulary`.

        Raises:
            ValueError: `min_freq` is less than 1, or `max_size` leaves no room for the specials.

        >>> from flambeau.text import Vocabulary
        >>> Vocabulary.from_counts({"a": 2, "b": 5, "c": 1}, min_freq=2).tokens
        ['<pad>', '<unk>', 'b', 'a']
        """
        if min_freq < 1:
            raise ValueError(f"Vocabulary: min_freq must be 1 or more, got {min_freq}")
        if max_size is not None and max_size < len(specials):
            raise ValueError(
                f"Vocabulary: max_size={max_size} leaves no room for the {len(specials)} specials"
            )
        kept = [t for t, count in counts.items() if count >= min_freq and t not in specials]
        kept.sort(key=lambda token: (-counts[token], token))
        return cls([*specials, *kept][:max_size], unknown=unknown, pad=pad)

    @classmethod
    def from_tokens(
        cls,
        tokens: Iterable[str],
        *,
        min_freq: int = 1,
        max_size: int | None = None,
        specials: Sequence[str] = (PAD, UNKNOWN),
        unknown: str = UNKNOWN,
        pad: str = PAD,
    ) -> Vocabulary:
        """Counts tokens; a string is its characters. The arguments are those of `from_counts`.

        >>> from flambeau.text import Vocabulary
        >>> Vocabulary.from_tokens("hello", specials=()).tokens
        ['l', 'e', 'h', 'o']
        """
        counts = Counter(tokens)
        return cls.from_counts(
            counts, min_freq=min_freq, max_size=max_size, specials=specials, unknown=unknown, pad=pad
        )

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        tokenizer: Callable[[str], Iterable[str]],
        *,
        min_freq: int = 1,
        max_size: int | None = None,
        specials: Sequence[str] = (PAD, UNKNOWN),
        unknown: str = UNKNOWN,
        pad: str = PAD,
    ) -> Vocabulary:
        """Counts the tokens of texts, or of an open file's lines. The other arguments are those of
        `from_counts`.

        Raises:
            TypeError: `texts` is a single string.

        >>> from flambeau.text import Vocabulary, whitespace
        >>> len(Vocabulary.from_texts(["to be", "or not to be"], whitespace))
        6
        """
        if isinstance(texts, str):
            raise TypeError("Vocabulary.from_texts: texts is one string, expected several; pass [text]")
        tokens = itertools.chain.from_iterable(map(tokenizer, texts))
        return cls.from_tokens(
            tokens, min_freq=min_freq, max_size=max_size, specials=specials, unknown=unknown, pad=pad
        )

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, unknown: str = UNKNOWN, pad: str = PAD) -> Vocabulary:
        """Reads a file in UTF-8 with one token on each line, in the order of their ids.

        >>> import pathlib, tempfile
        >>> from flambeau.text import Vocabulary
        >>> path = pathlib.Path(tempfile.mkdtemp(), "vocab.txt")
        >>> _ = path.write_text("[UNK]\\nflame\\n")
        >>> Vocabulary.from_file(path, unknown="[UNK]").encode(["flame", "fire"])
        tensor([1, 0])
        """
        text = Path(path).read_text("utf-8")
        return cls(text.removesuffix("\n").split("\n") if text else [], unknown=unknown, pad=pad)

    # ----- What it is for -----
    def encode(self, tokens: Iterable[str]) -> Tensor:
        """The ids of tokens, an int64 tensor (N). A string is its characters.

        Raises:
            KeyError: a token is not there, and nothing stands for unknown ones.

        >>> from flambeau.text import Vocabulary
        >>> Vocabulary("abc").encode("cab")
        tensor([2, 0, 1])
        """
        if self.default_index is None:
            ids = map(self.__getitem__, tokens)
        else:
            ids = map(self._ids.get, tokens, itertools.repeat(self.default_index))
        return from_array(np.fromiter(ids, np.int64))

    def decode(self, ids: Tensor | Iterable[int], *, keep_pad: bool = False) -> list[str]:
        """The tokens of ids. Padding is left out unless `keep_pad`.

        Raises:
            IndexError: there is no token of an id.

        >>> from flambeau.text import Vocabulary
        >>> "".join(Vocabulary("abc").decode([2, 0, 1]))
        'cab'
        """
        numbers = ids.tolist() if isinstance(ids, Tensor) else [int(i) for i in ids]
        odd = next((i for i in numbers if not 0 <= i < len(self.tokens)), None)
        if odd is not None:
            raise IndexError(f"Vocabulary: there is no token of the id {odd}, ids go to {len(self) - 1}")
        return [self.tokens[i] for i in numbers if keep_pad or i != self.pad_index]

    def __getitem__(self, token: str) -> int:
        found = self._ids.get(token, self.default_index)
        if found is None:
            raise KeyError(
                f"Vocabulary: there is no token {token!r} and nothing stands for unknown ones; "
                f"{nearest(token, self.tokens)} Put {UNKNOWN!r} among the specials, or set default_index"
            )
        return found

    def __contains__(self, token: object) -> bool:
        return token in self._ids

    def __len__(self) -> int:
        return len(self.tokens)

    def __iter__(self) -> Iterator[str]:
        return iter(self.tokens)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self._state() == other._state()

    __hash__ = None  # type: ignore[assignment]  # the ids of unknown tokens and of padding may be set

    def __repr__(self) -> str:
        return (
            f"Vocabulary({len(self)} tokens, default_index={self.default_index}, pad_index={self.pad_index})"
        )

    # ----- Files -----
    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes it to a JSON file.

        >>> import pathlib, tempfile
        >>> from flambeau.text import Vocabulary
        >>> path = pathlib.Path(tempfile.mkdtemp(), "vocabulary.json")
        >>> Vocabulary("abc").save(path)
        >>> Vocabulary.load(path) == Vocabulary("abc")
        True
        """
        Path(path).write_text(json.dumps(self._state()), "utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Vocabulary:
        """Reads what `save` wrote.

        Raises:
            ValueError: the file holds something else.

        >>> from flambeau.text import Vocabulary
        >>> Vocabulary.load("missing.json")
        Traceback (most recent call last):
        FileNotFoundError: ...
        """
        try:
            state = json.loads(Path(path).read_text("utf-8"))
            vocabulary = cls(state["tokens"])
            vocabulary.default_index, vocabulary.pad_index = state["default_index"], state["pad_index"]
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"Vocabulary.load: {path} holds no vocabulary ({error})") from error
        return vocabulary

    def _state(self) -> dict[str, object]:
        return {
            "tokens": self.tokens,
            "default_index": self.default_index,
            "pad_index": self.pad_index,
        }
