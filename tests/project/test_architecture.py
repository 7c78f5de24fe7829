"""The house: packages import in one direction, without circles, and the network's inputs are assembled in one place."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

LAYERS = (
    ("core",),
    ("entropy", "container"),
    ("predictor",),
    ("fit", "recording", "compiled"),
    ("codec",),
    ("spikes", "wide"),
    ("batch", "streaming"),
    ("access", "archive"),
    ("api", "report"),
    ("cli", "interfaces"),
)
"""Packages of `runtime`, lowest first; a package imports from those of lower layers only."""
MOST_MODULES = 15
MOST_LINES = 300
MOST_PARAMETERS = 8


def modules(root: Path, package: str) -> dict[str, Path]:
    found = {}
    for path in sorted((root / package).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path, known: dict[str, Path]) -> set[str]:
    """Modules that a module imports, at its top or inside of functions, but for annotations only."""
    found, tree = set(), ast.parse(path.read_text())
    typing = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    left_out = {id(inner) for node in typing for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or id(node) in left_out:
            continue
        package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
        base = package[: len(package) - node.level + 1] if node.level else []
        whole = ".".join([*base, *([node.module] if node.module else [])])
        for alias in node.names:
            target = f"{whole}.{alias.name}" if f"{whole}.{alias.name}" in known else whole
            if target in known and target != name:
                found.add(target)
    return found


@pytest.fixture(scope="module", params=["runtime", "training"])
def graph(request, root):
    known = modules(root, request.param)
    return {name: imports(name, path, known) for name, path in known.items()}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Sets of modules that import each other, by Kahn's algorithm: what is left when all others are taken away."""
    left = {name: set(targets) for name, targets in graph.items()}
    while free := [name for name, targets in left.items() if not targets]:
        for name in free:
            del left[name]
        for targets in left.values():
            targets.difference_update(free)
    used = {target for targets in left.values() for target in targets}
    return [sorted(set(left) & used)] if left else []


def test_no_module_imports_itself_by_way_of_others(graph):
    assert not circles(graph)


def test_a_circle_would_be_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert not circles({"a": {"b"}, "b": {"c"}, "c": set(), "d": {"a"}})


def test_packages_import_downwards_only(root):
    known = modules(root, "runtime")
    layer = {package: number for number, packages in enumerate(LAYERS) for package in packages}
    wrong = defaultdict(list)
    for name, path in known.items():
        own = name.split(".")[1] if "." in name else ""
        for target in imports(name, path, known):
            other = target.split(".")[1] if "." in target else ""
            if own in layer and other in layer and own != other and layer[other] >= layer[own]:
                wrong[own, other].append(name)
    assert not wrong
    packages = {name.split(".")[1] for name in known if "." in name} - {"__main__"}
    assert packages == set(layer), "a package without a layer"


def test_folders_and_modules_stay_small(root):
    for package in ("runtime", "training"):
        known = modules(root, package)
        folders = defaultdict(list)
        for path in known.values():
            if path.name != "__init__.py":
                folders[path.parent].append(path)
        assert max(map(len, folders.values())) <= MOST_MODULES
        sizes = {path: len(path.read_text().splitlines()) for path in known.values()}
        assert max(sizes.values()) <= MOST_LINES, max(sizes, key=sizes.get)


def test_functions_have_few_parameters(root):
    for path in [*modules(root, "runtime").values(), *modules(root, "training").values()]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                arguments = [a.arg for a in node.args.posonlyargs + node.args.args + node.args.kwonlyargs]
                count = len([name for name in arguments if name not in ("self", "cls")])
                assert count <= MOST_PARAMETERS, f"{path}: {node.name} has {count} parameters"


def test_the_networks_inputs_are_assembled_in_one_place(root):
    """Only `predictor/inputs.py` quantises differences and takes logarithms of running means for the network."""
    users = defaultdict(set)
    for name, path in modules(root, "runtime").items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in (
                "to_quantised",
                "to_log_means",
                "move_means",
                "run_means",
            ):
                users[node.attr].add(name)
    assert set().union(*users.values()) == {"runtime.predictor.inputs"}
