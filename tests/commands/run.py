"""Runs a command in this process, as the shell would: (exit code, stdout, stderr)."""

from __future__ import annotations

import contextlib
import io
import sys
from unittest import mock

from picojoule.commands import main


def pj(*arguments: object) -> tuple[int, str, str]:
    """Anything but SystemExit that escapes is a traceback on a user's screen, and fails the test."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with (
        mock.patch.object(sys, "argv", ["pj", *map(str, arguments)]),
        mock.patch("picojoule.report.progress.FIRST_S", 3600.0),  # how long a test takes is no part of what it prints
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as e:
            code = e.code if isinstance(e.code, int) else 0 if e.code is None else 1
    return code, out.getvalue(), err.getvalue()
