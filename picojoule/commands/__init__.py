"""The command line: one function a command, no logic. Answers go to stdout, progress and errors to stderr.

Each module of this folder registers its commands on `shared.app`; they are all found here, so that a new one is one new file.
A command of the main job (`core`) does not wait until all others are imported.
"""

from __future__ import annotations

import os
import pkgutil
import signal
import sys
import threading
from importlib import import_module
from typing import Annotated, Any

import typer

import picojoule
from picojoule.commands.shared import app
from picojoule.errors import PicojouleError

_ParserError: type[Exception] = typer.BadParameter.__mro__[2]  # base of all that the parser raises; typer does not export it


@app.callback(invoke_without_command=True)
def root(context: typer.Context, version: Annotated[bool, typer.Option("--version", help="print the version")] = False) -> None:
    """What a neural network inference costs in joules and seconds on a chip, with the provably best mapping."""
    if version:
        print(f"picojoule {picojoule.__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


import_module(f"{__name__}.core")


def commands() -> typer.Typer:
    """The application with every command, those of the main job first."""
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda m: m.name):
        import_module(f"{__name__}.{module.name}")
    return app


def _application(arguments: list[str]) -> typer.Typer:
    """The application with the command that these arguments begin with."""
    known = [c.name or getattr(c.callback, "__name__", "") for c in app.registered_commands]
    return app if arguments and arguments[0] in known else commands()


def main() -> None:
    """Run the command; bad input ends with code 2 and one message, an interrupt with 130."""
    interrupted, code = _remember_interrupts(), None
    try:
        code = _application(sys.argv[1:])(prog_name="pj", standalone_mode=False)
    except PicojouleError as e:
        code = _fail(str(e))
    except BrokenPipeError:  # `pj ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except _ParserError as e:
        code = _fail(getattr(e, "format_message", e.__str__)() + "\nhint: see `pj --help` and `pj COMMAND --help`")
    except (Exception, KeyboardInterrupt):
        if not interrupted:
            raise
    if interrupted:
        print("interrupted", file=sys.stderr)
        code = 130
    sys.exit(code if isinstance(code, int) else 0)


def _remember_interrupts() -> list[int]:
    """A list that is no longer empty after Ctrl-C: a compiler may turn the interrupt into an error of its own."""
    seen: list[int] = []

    def note(number: int, frame: Any) -> None:
        seen.append(number)
        signal.default_int_handler(number, frame)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, note)
    return seen


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2
