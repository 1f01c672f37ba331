"""Shared by the tests of the verifier."""

from tests.search.conftest import ragged_everywhere as ragged_everywhere
