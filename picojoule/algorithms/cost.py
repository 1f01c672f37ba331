"""What a transform costs: counted multiplications and additions, storage beside the operands, words moved, sparsity lost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformCost:
    """Counts for one layer; words are elements of the arithmetic's type (a complex number is two words).

    `multiplications` and `additions` are those of the main products; `transform_*` those spent on going there and back, the
    filters' share apart (`filter_*`), since filters are transformed once and kept. `extra_words` is storage beside input,
    weights and output; `moved_words` every word read or written between the steps, each step streaming its operands once.
    """

    algorithm: str
    lossless: str  # where the result is bit-exact: "integers", "rationals", ...
    multiplications: int
    additions: int
    transform_multiplications: int = 0
    transform_additions: int = 0
    filter_operations: int = 0
    extra_words: int = 0
    moved_words: int = 0
    keeps_sparsity: bool = True  # do zeros of the operands stay zeros in the main products?
    note: str = ""

    @property
    def operations(self) -> int:
        """Multiplications and additions of one run, filters already transformed."""
        return self.multiplications + self.additions + self.transform_multiplications + self.transform_additions
