"""The command line: one function a command, no logic."""

def main() -> None:
    raise SystemExit("not yet")
