"""The application: its commands are known by the index, and each is imported when it is called."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command_from_info

from picojoule.commands.index import ENTRIES, GROUPS


class _Commands(MutableMapping[str, Any]):
    """Name -> command; looking one up imports its module, listing them does not."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            if name not in ENTRIES:
                raise KeyError(name)
            import_module(f"{__package__}.{ENTRIES[name].module}")
            for info in app.registered_commands:
                if name == (info.name or getattr(info.callback, "__name__", "")):
                    self._made[name] = get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(ENTRIES)

    def __len__(self) -> int:
        return len(ENTRIES)


class _Group(TyperGroup):
    """Help with the commands by group, one line each."""

    def __init__(self, **settings: Any) -> None:
        settings["commands"] = {}
        super().__init__(**settings)
        self.commands = _Commands()

    def list_commands(self, ctx: Any) -> list[str]:
        return list(ENTRIES)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        widest = max(map(len, ENTRIES))
        for group, commands in GROUPS.items():
            with formatter.section(group):
                formatter.write_dl([(name.ljust(widest), tells) for name, (_, tells) in commands.items()])


app = typer.Typer(
    name="pj",
    cls=_Group,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
