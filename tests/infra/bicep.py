"""Reads Bicep files as far as these templates need it: what they declare, and what an expression is worth.

The compiler is in no registry that Python or Node packages come from, so tree-sitter's grammar reads the files here; CI
runs the compiler besides.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

INFRA = Path(__file__).parents[2] / "infra"
FILES = sorted(INFRA.glob("*.bicep"))
_PARSER = Parser(Language(tree_sitter_bicep.language()))
_ESCAPES = {"\\'": "'", "\\\\": "\\", "\\n": "\n", "\\$": "$"}


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """A parameter, variable, resource, module or output, with its parts as nodes of the syntax tree."""

    name: str
    kind: str
    node: Node
    decorators: tuple[str, ...]
    is_nested: bool

    @property
    def text(self) -> str:
        return source(self.node)

    @property
    def value(self) -> Node:
        """The expression that the declaration ends with."""
        return self.node.named_children[-1]

    @property
    def body(self) -> Node:
        """The object of a resource or module, whatever condition or loop it is in."""
        node = self.value
        while node.type != "object":
            node = node.named_children[-1]
        return node

    @property
    def what(self) -> str:
        """The type of a resource with its API version, or the file of a module."""
        return next(source(child).strip("'") for child in self.node.named_children if child.type == "string")

    @property
    def resource_type(self) -> str:
        return self.what.partition("@")[0]

    @property
    def api_version(self) -> str:
        return self.what.partition("@")[2]

    @property
    def is_existing(self) -> bool:
        return any(child.type == "existing" or source(child) == "existing" for child in self.node.children)

    @property
    def has_default(self) -> bool:
        return any(source(child) == "=" for child in self.node.children)


@dataclass(frozen=True, kw_only=True)
class Template:
    """One file."""

    path: Path
    root: Node
    declarations: tuple[Declaration, ...]

    def of(self, kind: str) -> dict[str, Declaration]:
        return {one.name: one for one in self.declarations if one.kind == kind}

    @property
    def resources(self) -> dict[str, Declaration]:
        return self.of("resource")


@cache
def template(name: str) -> Template:
    path = INFRA / name
    root = _PARSER.parse(path.read_bytes()).root_node
    return Template(path=path, root=root, declarations=tuple(_declarations(root)))


def _declarations(root: Node, *, is_nested: bool = False):
    decorators: tuple[str, ...] = ()
    for node in root.children:
        kind = node.type.removesuffix("_declaration")
        if node.type == "decorators":
            decorators = tuple(source(one) for one in node.named_children)
        elif node.type.endswith("_declaration"):
            name = source(node.named_children[0])
            yield Declaration(name=name, kind=kind, node=node, decorators=decorators, is_nested=is_nested)
            decorators = ()
            yield from _declarations_within(node)


def _declarations_within(node: Node):
    for child in node.children:
        if any(one.type == "resource_declaration" for one in child.children):
            yield from _declarations(child, is_nested=True)
        yield from _declarations_within(child)


def source(node: Node) -> str:
    return node.text.decode()


def errors(root: Node):
    """Yield where the grammar does not fit."""
    if root.type == "ERROR" or root.is_missing:
        yield f"line {root.start_point[0] + 1}: {source(root)[:60]!r}"
    for child in root.children:
        yield from errors(child)


def walk(node: Node):
    yield node
    for child in node.children:
        yield from walk(child)


def properties(node: Node) -> dict[str, Node]:
    """Return the values of an object by their names; a name that is an expression is shown as its source."""
    found = {}
    for one in node.named_children:
        if one.type == "object_property":
            key, value = one.named_children[0], one.named_children[-1]
            found[source(key).strip("'")] = value
    return found


def value_of(node: Node, known: dict[str, object]) -> object:  # noqa: PLR0911 - a case for each kind of expression
    """Return what an expression is worth, where `known` says so of names and of whole sources.

    Raises LookupError where it says nothing.
    """
    if (text := source(node)) in known:
        return known[text]
    match node.type:
        case "string":
            return "".join(_part(one, known) for one in node.named_children)
        case "number":
            return int(text)
        case "boolean":
            return text == "true"
        case "object":
            return {source(_key(one)).strip("'"): value_of(one.named_children[-1], known) for one in _members(node)}
        case "array":
            return [value_of(one, known) for one in node.named_children if one.type != "comment"]
        case "parenthesized_expression":
            return value_of(node.named_children[0], known)
        case "ternary_expression":
            condition, first, second = node.named_children
            return value_of(first if value_of(condition, known) else second, known)
        case "call_expression":
            return _called(node, known)
    raise LookupError(f"nothing is known of {node.type} {text!r}")


def _members(node: Node):
    return [one for one in node.named_children if one.type == "object_property"]


def _key(node: Node) -> Node:
    return node.named_children[0]


def _part(node: Node, known: dict[str, object]) -> str:
    if node.type == "interpolation":
        return str(value_of(node.named_children[0], known))
    text = source(node)
    return _ESCAPES.get(text, text)


def _called(node: Node, known: dict[str, object]) -> object:
    function, arguments = source(node.named_children[0]), node.named_children[1].named_children
    values = [value_of(one, known) for one in arguments]
    match function:
        case "string":
            return str(values[0])
        case "empty":
            return not values[0]
        case "union":
            return {name: value for one in values for name, value in one.items()}
    raise LookupError(f"nothing is known of the function {function}")
