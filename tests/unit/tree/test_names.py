"""One name for one thing: no class or type of the product is defined twice."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).parents[3]


def test_no_public_class_or_type_is_defined_twice() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for room in ("schemas", "service", "workers"):
        for file in sorted((_ROOT / room).rglob("*.py")):
            for name in _types(ast.parse(file.read_text(encoding="utf-8"))):
                places[name].append(str(file.relative_to(_ROOT)))

    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_a_type_is_found_by_its_definition_and_not_by_another_name_of_an_import() -> None:
    source = """
class Aa: ...
Bb: TypeAlias = int
Cc = Annotated[str, 1]
_Dd = int
Ee = other.Ee
FF: Final = 1
gg = 1
Hh = TypeVar("Hh")
"""

    assert list(_types(ast.parse(source))) == ["Aa", "Bb", "Cc"]


def _types(module: ast.Module) -> Iterator[str]:
    """Give the public classes that a module defines, and its own names of types."""
    for statement in module.body:
        match statement:
            case ast.ClassDef(name=name):
                names = [name]
            case ast.AnnAssign(target=ast.Name(id=name), value=value) if not _is_name_of(name, value):
                names = [name]
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if not _is_name_of(name, value):
                names = [name]
            case _:
                names = []
        yield from (name for name in names if name[0].isupper() and not name.isupper())


def _is_name_of(name: str, value: ast.expr | None) -> bool:
    """Whether *value* is that of another module's *name*, or a type variable."""
    is_variable = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "TypeVar"
    return is_variable or (isinstance(value, ast.Attribute) and value.attr == name)
