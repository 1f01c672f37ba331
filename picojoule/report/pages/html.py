"""Small pieces of HTML; every text is escaped here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def text(value: object) -> str:
    return escape(str(value))


def tag(name: str, content: object, css: str = "") -> str:
    """`<name class="css">escaped content</name>`."""
    return f"<{name}{_class(css)}>{text(content)}</{name}>"


def section(css: str, parts: Iterable[str]) -> str:
    """A block of ready HTML parts."""
    return f"<div{_class(css)}>{''.join(parts)}</div>"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], left: Sequence[int] = (0,), wrap: Sequence[int] = ()) -> str:
    """A table; columns in `left` are flush left, those in `wrap` may break. A cell may be `Raw`."""
    css = {**dict.fromkeys(left, "l"), **dict.fromkeys(wrap, "wrap")}
    header = "".join(f"<th{_class('l' if i in css else '')}>{text(h)}</th>" for i, h in enumerate(head))
    body = "".join(f"<tr>{''.join(_cell(c, css.get(i, '')) for i, c in enumerate(row))}</tr>" for row in rows)
    top = f"<thead><tr>{header}</tr></thead>" if head else ""
    return f'<div class="scroll"><table>{top}<tbody>{body}</tbody></table></div>'


class Raw(str):
    """Content of a cell that is ready HTML, with optional inline style of the cell."""

    style: str = ""

    @classmethod
    def styled(cls, content: str, style: str) -> Raw:
        raw = cls(content)
        raw.style = style
        return raw


def _cell(content: object, css: str) -> str:
    if isinstance(content, Raw):
        style = f' style="{escape(content.style, quote=True)}"' if content.style else ""
        return f"<td{_class(css)}{style}>{content}</td>"
    return f"<td{_class(css)}>{text(content)}</td>"


def _class(css: str) -> str:
    return f' class="{css}"' if css else ""
