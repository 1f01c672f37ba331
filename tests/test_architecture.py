"""The tree is what ARCHITECTURE.md says: imports go one way, and nothing ties the project to one machine."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import picojoule

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "picojoule"
ORDER = (
    *("version", "notebook", "errors", "files", "quantities", "ask", "formats", "workload", "observed", "learning", "hardware"),
    *("published", "mapping", "cost", "schedule", "search", "verification", "machines", "interop", "measuring", "algorithms"),
    *("explore", "neardata", "compress", "compare", "reproduction", "report", "options", "commands"),
)
BELOW = {
    "options": {"errors", "files", "quantities", "ask", "formats"},
    "report": {*ORDER} - {"commands"},
}  # report shows what options were wrong
DOORS = {  # of search/, besides all of `result` and `layer_price`
    "network": {"map_network"},
    "optimal": {"best_mapping"},
    "schedules.schedule_network": {"schedule_network", "evaluate_schedule"},
}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, folder or top module of picojoule) of every import in the file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "picojoule":
            parts = node.module.split(".")[1:2] or [a.name for a in node.names]
            yield from ((node.lineno, part) for part in parts)
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, a.name.split(".")[1]) for a in node.names if a.name.startswith("picojoule."))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_nothing_that_lies_further_on(path: Path) -> None:
    name = str(path.relative_to(PACKAGE))
    own = name.split("/")[0].removesuffix(".py")
    if own in ("__init__", "__main__", "commands"):
        return
    allowed = BELOW.get(own, set(ORDER[: ORDER.index(own) + 1]))
    strange = [f"line {line}: {part}" for line, part in imports(path) if part in ORDER and part not in allowed]
    assert not strange, f"{name} imports what comes after it: {', '.join(strange)}"


def test_inside_names_come_from_their_rooms_not_through_the_front_door() -> None:
    """`picojoule` itself is for those outside, and for commands, which do what a script would."""
    strange = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] in ("__init__.py", "__main__.py", "commands"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            if isinstance(node, ast.Import) and "picojoule" in names:
                strange.append(f"{path.relative_to(PACKAGE)}, line {node.lineno}")
            elif isinstance(node, ast.ImportFrom) and node.module == "picojoule" and not {*names} <= {*ORDER}:
                strange.append(f"{path.relative_to(PACKAGE)}, line {node.lineno}: {', '.join(names)}")
    assert not strange, "\n".join(strange)


def test_the_front_door_offers_what_its_stub_says() -> None:
    bound = set()
    for node in ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8")).body[1:]:
        assert isinstance(node, ast.ImportFrom | ast.Assign), f"line {node.lineno} is not read by __init__.py"
        found = (
            [a.asname or a.name for a in node.names]
            if isinstance(node, ast.ImportFrom)
            else [ast.unparse(t) for t in node.targets]
        )
        bound |= {n for n in found if not n.startswith("_") or n.startswith("__")}
    assert bound == set(picojoule.__all__)
    for name in picojoule.__all__:
        assert getattr(picojoule, name) is not None


def test_no_module_comes_back_to_itself() -> None:
    """Imports inside functions count; those for type checkers do not."""
    graph = {module: _needs(path) - {module} for module, path in MODULES.items()}
    sorter = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError as e:
        pytest.fail(f"they import each other: {' -> '.join(e.args[1][::-1])}")


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {_module(p): p for p in sorted(PACKAGE.rglob("*.py"))}


def _needs(path: Path) -> set[str]:
    """The modules that a file imports at any time; of packages only what their own file imports, and not the front door."""
    tree, needs = ast.parse(path.read_text(encoding="utf-8")), set()
    typed = {x for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING" for x in ast.walk(n)}
    for node in ast.walk(tree):
        if node in typed:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "picojoule":
            needs |= {full if (full := f"{node.module}.{a.name}") in MODULES else str(node.module) for a in node.names}
        elif isinstance(node, ast.Import):
            needs |= {a.name for a in node.names if a.name in MODULES}
    return needs - {"picojoule"}


def test_the_search_is_entered_by_its_doors_alone() -> None:
    strange = []
    for path in sorted(p for p in PACKAGE.rglob("*.py") if "search" not in p.relative_to(PACKAGE).parts[:1]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("picojoule.search"):
                module = (node.module or "").removeprefix("picojoule.search").lstrip(".")
                names = {a.name for a in node.names} - DOORS.get(module, set())
                if names and module not in ("result", "layer_price", "schedules.result"):
                    strange.append(f"{path.relative_to(PACKAGE)}, line {node.lineno}: {', '.join(sorted(names))} of {module}")
    assert not strange, "\n".join(strange)


def test_every_folder_and_module_stands_in_the_architecture_page() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    parts = {p.name for p in PACKAGE.iterdir() if (p.is_dir() and (p / "__init__.py").exists()) or p.suffix == ".py"}
    for part in parts:
        assert f"`{part}" in text, f"{part} is not in ARCHITECTURE.md"


def test_no_file_names_one_machine_or_registry() -> None:
    words = ["/" + "work/", "/" + "root/", "/" + "home/", "files." + "pythonhosted", "--index" + "-url", "registry." + "npmjs"]
    folders = [PACKAGE, ROOT / "tests", ROOT / "docs", ROOT / "bench"]
    files = [p for f in folders for p in f.rglob("*") if p.suffix in {".py", ".md", ".yaml", ".csv", ".json", ".css", ".txt"}]
    files = [p for p in files if ".peers" not in p.parts]  # other tools, which `make bench` installs
    for path in [*files, *ROOT.glob("*.md"), ROOT / "requirements.lock", ROOT / "Makefile", ROOT / "pyproject.toml"]:
        text = path.read_text(encoding="utf-8")
        assert not (found := [w for w in words if w in text]), f"{path.relative_to(ROOT)} names {found}"


def test_the_readme_has_two_commands_and_they_exist() -> None:
    readme, makefile = (ROOT / "README.md").read_text(encoding="utf-8"), (ROOT / "Makefile").read_text(encoding="utf-8")
    block = readme.split("```\n")[1]
    assert block.split() == ["make", "demo", "make", "test"]
    assert "\ndemo: env" in makefile and "\ntest: env" in makefile


def test_the_command_line_loads_where_no_optional_package_is() -> None:
    absent = "'torch', 'onnxruntime', 'onnxscript', 'sklearn', 'torch_pruning'"
    code = f"import sys; sys.modules.update(dict.fromkeys(({absent}))); from typer.main import get_command; "
    code += "from picojoule.commands.app import app; dict(get_command(app).commands)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_what_optional_packages_need_is_locked_beside_them() -> None:
    """`make test` installs them with --no-deps, so that none brings a PyTorch of gigabytes along."""
    locked = {f: dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / f).read_text(encoding="utf-8").lower(), re.MULTILINE))
              for f in ("requirements.lock", "requirements-extra.lock")}  # fmt: skip
    known = {n.replace("_", "-") for names in locked.values() for n in names} | {"torch"}
    for name in locked["requirements-extra.lock"]:
        try:
            needs = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for need in (n for n in needs if "extra ==" not in n and "python_version <" not in n):
            found = re.match(r"[\w.-]+", need)
            assert found and found[0].lower().replace("_", "-") in known, f"{name} needs {need}"
