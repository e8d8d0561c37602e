"""Imports go one way, modules and functions stay short: the house rules that an AST can see.

The rules themselves are tried on a small tree with planted violations, so that a blind walker is noticed.
"""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = "audit_pipelines"
ROOT = Path(__file__).parents[1] / PACKAGE
FOUNDATION = {
    "event",
    "errors",
    "digest",
    "drop",
    "settings",
    "serving",
    "home",
    "batch",
    "record",
    "removal",
    "retention",
    "durable",
    "shipped",
    "__init__",
}
STAGES = {"extract", "lake", "seal", "ship", "sql", "typeset", "demo"}
TOP = {"cli", "definitions", "serve"}
MAY_USE_DAGSTER = {"defs", "definitions", "cli"}
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "handler"}
ENTRY = "__main__"
"""``python -m audit_pipelines``: the one module that stands above the command line."""
MAY_NAME_DEFINITIONS = {"cli", "defs"}
"""Both build Dagster's definitions at run time, to run its jobs in process."""
MODULE_LINES, FUNCTION_LINES = 300, 40
ONE_FILE = {"seal/standalone.py": 400}
"""Longer on purpose: auditors get the verifier as one file that they can read in one sitting."""


def part(path: Path, root: Path) -> str:
    """The folder or module directly under the package that ``path`` belongs to."""
    return path.relative_to(root).parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> set[str]:
    """Every module that is imported anywhere in the tree, inside functions too, by full name."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where they go"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own_parts(names: set[str], root: Path) -> set[str]:
    """Which parts of the package the imported names belong to; names of its ``__init__`` count as that."""
    inside = {name.split(".")[1] for name in names if name.startswith(f"{PACKAGE}.")}
    there = {path.name.removesuffix(".py") for path in root.iterdir()}
    return {name if name in there else "__init__" for name in inside}


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from ``def`` to the end, without the docstring."""
    first = function.body[0]
    has_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    text = first.end_lineno - first.lineno + 1 if has_text else 0
    return function.end_lineno - function.lineno + 1 - text


def wrong_imports(own: str, used: set[str]) -> set[str]:
    """Which of the parts ``used`` a module of the part ``own`` may not import."""
    if own == ENTRY:
        return used - {"cli", "__init__"}
    if own in FOUNDATION:
        return used - FOUNDATION
    if own in STAGES:
        return used - FOUNDATION - {own}
    allowed = FOUNDATION | STAGES | {"defs", own} | ({"definitions"} if own in MAY_NAME_DEFINITIONS else set())
    allowed |= {"serve"} if own == "cli" else set()
    return used - allowed


def violations(root: Path) -> list[str]:
    """Everything under ``root`` that breaks a rule, one line each."""
    found = []
    for path in sorted(root.rglob("*.py")):
        name, own = path.relative_to(root).as_posix(), part(path, root)
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        names = imports(tree)
        found += [f"{name}: imports {other}" for other in sorted(wrong_imports(own, own_parts(names, root)))]
        if own not in MAY_USE_DAGSTER and any(other.split(".")[0].startswith("dagster") for other in names):
            found.append(f"{name}: imports dagster")
        if set(path.stem.split("_")) & VAGUE:
            found.append(f"{name}: the name says nothing")
        if (lines := len(text.splitlines())) > ONE_FILE.get(name, MODULE_LINES):
            found.append(f"{name}: {lines} lines")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (lines := body_lines(node)) > FUNCTION_LINES:
                found.append(f"{name}: {node.name} has {lines} lines")
    return found


def test_the_package_keeps_the_rules():
    assert violations(ROOT) == []


def test_every_part_of_the_package_has_its_place():
    parts = {part(path, ROOT) for path in ROOT.rglob("*.py")}
    assert parts - FOUNDATION - STAGES - TOP - {"defs", ENTRY} == set()


@pytest.mark.parametrize(
    ("module", "text", "says"),
    [
        ("lake/a.py", "from audit_pipelines.ship import publish", "lake/a.py: imports ship"),
        ("lake/a.py", "def late():\n    from audit_pipelines import sql", "lake/a.py: imports sql"),
        ("demo/a.py", "import audit_pipelines.extract.http", "demo/a.py: imports extract"),
        ("sql/a.py", "from audit_pipelines.defs import night", "sql/a.py: imports defs"),
        ("errors.py", "from audit_pipelines.lake import run", "errors.py: imports lake"),
        ("defs/a.py", "from audit_pipelines.cli import main", "defs/a.py: imports cli"),
        ("lake/a.py", "import dagster as dg", "lake/a.py: imports dagster"),
        ("lake/a.py", "from dagster._core import x", "lake/a.py: imports dagster"),
        ("lake/utils.py", "", "lake/utils.py: the name says nothing"),
        ("lake/a.py", "x = 1\n" * 301, "lake/a.py: 301 lines"),
        ("lake/a.py", "def long():\n" + "    x = 1\n" * 40, "lake/a.py: long has 41 lines"),
    ],
)
def test_a_planted_violation_is_found(tmp_path, module, text, says):
    for name in ("lake", "ship", "sql", "demo", "extract", "defs", "cli"):
        (tmp_path / name).mkdir()
    (tmp_path / module).write_text(text, encoding="utf-8")
    assert violations(tmp_path) == [says]


def test_what_is_allowed_is_not_reported(tmp_path):
    for name in ("lake", "defs"):
        (tmp_path / name).mkdir()
    (tmp_path / "batch.py").touch()
    (tmp_path / "lake" / "a.py").write_text(
        "from audit_pipelines import __version__, batch\nfrom audit_pipelines.lake import b\n"
    )
    long_text = '    """' + "words\n" * 50 + '"""\n'
    (tmp_path / "defs" / "a.py").write_text(
        f"import dagster\nfrom audit_pipelines.lake import a\ndef f():\n{long_text}    return 1\n"
    )
    assert violations(tmp_path) == []


def test_the_stand_alone_verifier_is_one_file_over_the_standard_library():
    tree = ast.parse((ROOT / "seal" / "standalone.py").read_text(encoding="utf-8"))
    assert {name.split(".")[0] for name in imports(tree)} <= sys.stdlib_module_names
    assert len((ROOT / "seal" / "standalone.py").read_text(encoding="utf-8").splitlines()) < 400
