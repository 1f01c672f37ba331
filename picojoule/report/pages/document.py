"""A whole HTML document: self-contained, without scripts and without network access."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from picojoule.report.pages import html


def css() -> str:
    """The style sheet that every page and notebook fragment carries."""
    return files("picojoule.report.pages").joinpath("style.css").read_text(encoding="utf-8")


def document(title: str, body: Sequence[str]) -> str:
    """The page with this title and these ready parts."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.text(title)}</title><style>body{{margin:0}}{css()}</style></head>"
        f'<body class="pj">{html.section("page", body)}</body></html>\n'
    )
