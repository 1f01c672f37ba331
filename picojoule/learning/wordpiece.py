"""BERT's uncased WordPiece: text to token ids by a vocabulary file, longest known piece first (Devlin et al., NAACL 2019)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

from picojoule.errors import SpecError
from picojoule.files import read_text

LONGEST = 100  # characters of a word that is taken apart; longer ones are unknown
_CJK = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F))


class WordPiece:
    """A vocabulary; `ids` gives the tokens of a text between [CLS] and [SEP]."""

    def __init__(self, path: Path) -> None:
        words = read_text(path, "the file vocab.txt of a BERT model").split("\n")
        self.known = {w: i for i, w in enumerate(words) if w}
        missing = [t for t in ("[CLS]", "[SEP]", "[UNK]", "[PAD]") if t not in self.known]
        if missing:
            raise SpecError(f"the vocabulary lacks {', '.join(missing)}", where=str(path), hint="take BERT's vocab.txt")

    def ids(self, text: str, most: int) -> list[int]:
        """At most `most` ids, [CLS] and [SEP] among them."""
        found: list[int] = []
        for word in _words(text):
            found.extend(self._pieces(word))
            if len(found) >= most - 2:
                break
        return [self.known["[CLS]"], *found[: most - 2], self.known["[SEP]"]]

    def _pieces(self, word: str) -> list[int]:
        pieces, start = [], 0
        while start < len(word) <= LONGEST:
            for end in range(len(word), start, -1):
                piece = self.known.get(("##" if start else "") + word[start:end])
                if piece is not None:
                    pieces.append(piece)
                    start = end
                    break
            else:
                return [self.known["[UNK]"]]
        return pieces if pieces else [self.known["[UNK]"]]


def _words(text: str) -> Iterator[str]:
    """Words in lower case without accents, every punctuation mark and CJK character a word of its own."""
    word: list[str] = []
    for c in _plain(text):
        alone = _is_punctuation(c) or any(a <= ord(c) <= b for a, b in _CJK)
        if word and (alone or c.isspace()):
            yield "".join(word)
            word = []
        if alone:
            yield c
        elif not c.isspace():
            word.append(c)
    if word:
        yield "".join(word)


def _plain(text: str) -> Iterator[str]:
    for c in text:
        if c in "\t\n\r" or unicodedata.category(c) == "Zs":
            yield " "
        elif c != "\ufffd" and not unicodedata.category(c).startswith("C"):
            yield from (x for x in unicodedata.normalize("NFD", c.lower()) if unicodedata.category(x) != "Mn")


def _is_punctuation(c: str) -> bool:
    return (c.isascii() and not c.isalnum() and not c.isspace()) or unicodedata.category(c).startswith("P")
