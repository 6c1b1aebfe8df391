"""Finds the modules and files that a Python file may import, read or run, in its syntax tree."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass, field

from gitsync.impact import mentions

MENTION = -1
"""The level of a use whose name is that of a file and no module."""
_ANY_FILE_MODULES = frozenset({
    "builtins", "cloudpickle", "code", "codeop", "dill", "imp", "importlib_resources", "modulefinder", "pickle",
    "pkg_resources", "pkgutil", "runpy", "shelve", "site", "zipimport",
})  # fmt: skip
"""Modules whose import is enough: they find, list or make modules by names that are not in the source."""
_ANY_FILE_NAMES = frozenset({"__builtins__", "__loader__", "__path__", "compile", "eval", "exec"})
_HIDDEN_NAMES = frozenset({"__builtins__", "__import__", "__path__", "import_module", "importlib"})
"""Names that, as strings, are most likely for `getattr` and the like."""
_IMPORTERS = frozenset({"__import__", "import_module", "import_string"})
_IMPORTLIB = frozenset({"import_module", "invalidate_caches", "metadata", "reload"})
"""The parts of `importlib` that the analysis understands. All others can make modules of anything."""
_SYS = frozenset({"meta_path", "path", "path_hooks", "path_importer_cache"})
_LISTERS = frozenset({
    "copytree", "fwalk", "glob", "iglob", "iterdir", "listdir", "make_archive", "rglob", "scandir", "walk",
})  # fmt: skip
_READERS = frozenset({
    "FileSystemLoader", "PackageLoader", "copyfile", "fileConfig", "from_file", "load", "open", "read", "system",
})  # fmt: skip
_READERS_BEGIN = ("load_", "open_", "read_", "upload")
_NAMING = re.compile(r"[./]|-m\s")
"""Characters that a string needs to name a file or a module. Most strings have none of them."""
_PATHS = frozenset({"Path", "PurePath", "PurePosixPath", "join", "joinpath"})


@dataclass
class Source(ast.NodeVisitor):
    """The uses that have been found in a file so far; the fields are those of `gitsync.impact.facts.Facts`."""

    uses: set[tuple[str, int]] = field(default_factory=set)
    anything: str = ""
    reads: str = ""
    exports: bool = False
    classes: set[tuple[str, str]] = field(default_factory=set)
    _sys: set[str] = field(default_factory=lambda: {"sys"})

    # Imports

    def visit_Import(self, node: ast.Import) -> None:
        for item in node.names:
            self._module(node, item.name)
            if item.name == "sys":
                self._sys.add(item.asname or "sys")
            if item.name == "importlib" and item.asname:
                self._any_file(node, "renames importlib")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        names = {item.name for item in node.names}
        base = node.module or ""
        if base and not node.level:
            self._module(node, base)
        self._use(base, node.level)
        for name in names:
            self._use(f"{base}.{name}".lstrip("."), node.level)
        self.exports |= "__all__" in names
        self._special(node, base, names)

    def _special(self, node: ast.ImportFrom, base: str, names: set[str]) -> None:
        if base == "importlib" and (names - _IMPORTLIB or any(item.asname for item in node.names)):
            self._any_file(node, f"imports {', '.join(sorted(names))} of importlib")
        if (base == "sys" and names & (_SYS | {"*"})) or (base == "os" and "sys" in names):
            self._any_file(node, "imports the search path")
        if base.partition(".")[0] in ("os", "glob", "shutil") and names & (_LISTERS | {"*"}):
            self._any_file(node, "lists directories")
        if any(item.asname and item.name in _IMPORTERS for item in node.names):
            self._any_file(node, "renames a function that imports")
        if any(item.asname and _reads(item.name) for item in node.names):
            self._reads(node, "imports a function that reads")

    def _module(self, node: ast.AST, name: str) -> None:
        self._use(name, 0)
        top, _, rest = name.partition(".")
        if top in _ANY_FILE_MODULES or (top == "importlib" and rest and rest not in _IMPORTLIB):
            self._any_file(node, f"imports {name}")
        if top == "subprocess":
            self._reads(node, "imports subprocess")

    def _use(self, name: str, level: int) -> None:
        self.uses.update((parent, level) for parent in mentions.with_parents(name) if parent)

    # Calls and names

    def visit_Call(self, node: ast.Call) -> None:
        name = _last_name(node.func)
        if name in _LISTERS:
            self._any_file(node, f"calls {name}")
        if _reads(name):
            self._reads(node, f"calls {name}")
        if name in _PATHS:
            for argument in node.args:
                self._directory(argument)
        if name in _IMPORTERS:
            self._import_call(node, name)
        else:
            self.visit(node.func)
        for child in (*node.args, *node.keywords):
            self.visit(child)

    def _import_call(self, node: ast.Call, name: str) -> None:
        """Understand ``import_module("a.b")`` and ``import_module(".b", "a")``. Other arguments could mean any file."""
        given = [*node.args, *(item.value for item in node.keywords if item.arg in ("name", "package"))]
        if len(given) != len(node.args) + len(node.keywords) or not given or not _is_text(given[0]):
            self._any_file(node, f"calls {name} with a computed name")
            return
        module = str(given[0].value)  # type: ignore[attr-defined] # it is a constant
        level = len(module) - len(module.lstrip("."))
        if level and len(given) == 2 and _is_text(given[1]):
            package = str(given[1].value)  # type: ignore[attr-defined] # it is a constant
            module, level = f"{'.'.join(package.split('.')[: 1 - level or None])}.{module.lstrip('.')}", 0
        elif len(given) > 1 and _last_name(given[1]) not in ("__name__", "__package__"):
            self._any_file(node, f"calls {name} with a computed package")
        if level:
            self._use(module.lstrip("."), level)
        else:
            self._module(node, module)

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in _ANY_FILE_NAMES or node.id in _IMPORTERS:
            self._any_file(node, f"uses {node.id}")
        if node.id in self._sys or node.id == "importlib":
            self._any_file(node, f"passes {node.id} on")
        if _reads(node.id):
            self._reads(node, f"uses {node.id}")
        self.exports |= node.id == "__all__"

    def visit_Attribute(self, node: ast.Attribute) -> None:
        owner = _last_name(node.value)
        if node.attr in _IMPORTERS | {"__path__", "__loader__"} or (owner in self._sys and node.attr in _SYS):
            self._any_file(node, f"uses {owner}.{node.attr}")
        if owner == "importlib" and node.attr not in _IMPORTLIB:
            self._any_file(node, f"uses importlib.{node.attr}")
        if node.attr in _LISTERS:
            self._any_file(node, f"uses {node.attr}")
        if _reads(node.attr):
            self._reads(node, f"uses {node.attr}")
        self.exports |= node.attr == "__all__"
        if not (isinstance(node.value, ast.Name) and (owner in self._sys or owner == "importlib")):
            self.visit(node.value)

    # Literals

    def visit_Expr(self, node: ast.Expr) -> None:
        if not _is_text(node.value):  # a docstring names files for people
            self.visit(node.value)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if isinstance(node.op, ast.Div):
            self._directory(node.left)
            self._directory(node.right)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if not isinstance(node.value, str):
            return
        text = node.value
        if text in _HIDDEN_NAMES:
            self._any_file(node, f"has the string {text!r}")
        self.exports |= text == "__all__"
        if not _NAMING.search(text):
            return
        self.uses.update((name, MENTION) for name in (*mentions.names(text), *mentions.directories(text)))
        for module in mentions.modules(text):
            self._use(module, 0)

    def _directory(self, node: ast.expr) -> None:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "/" not in node.value:
            self.uses.add((node.value, MENTION))

    # Classes

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.classes.update((node.name, _last_name(base)) for base in node.bases)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        # Airflow's listeners are functions.
        self.classes.update((node.name, "hookimpl") for item in node.decorator_list if _last_name(item) == "hookimpl")
        self.generic_visit(node)

    # Reasons

    def _any_file(self, node: ast.AST, why: str) -> None:
        self.anything = self.anything or f"{why} in line {getattr(node, 'lineno', 1)}"

    def _reads(self, node: ast.AST, why: str) -> None:
        self.reads = self.reads or f"{why} in line {getattr(node, 'lineno', 1)}"


def read(content: bytes) -> Source | None:
    """The uses in a source, or None if this Python cannot parse it.

    Raises MemoryError for a source that is too large, or nested too deep for the parser.
    """
    source = Source()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about DAG code are for its authors
            source.visit(ast.parse(content))
    except (SyntaxError, ValueError, RecursionError):
        return None
    return source


def _last_name(node: ast.AST) -> str:
    """``c`` of ``a.b.c``, and of ``a.b.c()``."""
    if isinstance(node, ast.Call):
        return _last_name(node.func)
    if isinstance(node, ast.Subscript):
        return _last_name(node.value)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _reads(name: str) -> bool:
    return name in _READERS or name.startswith(_READERS_BEGIN)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
