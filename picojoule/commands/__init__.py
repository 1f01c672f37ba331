"""The command line: one function a command, no logic. Answers go to stdout, progress and errors to stderr.

Each module of this folder registers its commands on `app.app`; `index.py` names them all, so that help and completion import
none.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Annotated, Any

import typer

import picojoule
from picojoule.commands.app import app
from picojoule.errors import PicojouleError

_ParserError: type[Exception] = typer.BadParameter.__mro__[2]  # base of all that the parser raises; typer does not export it


@app.callback(invoke_without_command=True)
def root(context: typer.Context, version: Annotated[bool, typer.Option("--version", help="print the version")] = False) -> None:
    """What a neural network inference costs in joules and seconds on a chip, with the provably best mapping."""
    if version:
        print(f"picojoule {picojoule.__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


def main() -> None:
    """Run the command; bad input ends with code 2 and one message, an interrupt with 130."""
    interrupted, code = _remember_interrupts(), None
    try:
        code = app(prog_name="pj", standalone_mode=False)
    except PicojouleError as e:
        code = _fail(str(e))
    except BrokenPipeError:  # `pj ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except _ParserError as e:
        asked = getattr(getattr(e, "ctx", None), "command_path", "pj")
        code = _fail(getattr(e, "format_message", e.__str__)() + f"\nhint: see `{asked} --help`")
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
