"""Sphinx: `make docs` builds the site, with warnings as errors, without the network."""

import ast
import builtins
import importlib.util
from collections import defaultdict
from collections.abc import Iterator
from importlib.metadata import version as version_of
from pathlib import Path

import typer
from sphinx.application import Sphinx
from typer.cli import get_docs_for_click
from typer.main import get_command

from hopkin.drivers.campaigns.campaign import Barriers, Campaign, Dynamics, Pairs, Select
from hopkin.drivers.cli import app as hopkin
from hopkin.drivers.specification import BarrierSpecification, KineticsSpecification, MDSpecification

project = "hopkin"
version = version_of("hopkin")
copyright = "the hopkin developers"
extensions = [
    *("myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"),
    "sphinx-mathjax-offline",  # no page asks another server for anything
]
html_theme = "furo"
html_title = "hopkin"
html_theme_options = {"top_of_page_buttons": []}
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
default_role = "literal"
autodoc_typehints = "none"  # the docstrings say them, with shapes and units
exclude_patterns = ["README.md"]

GENERATED = Path(__file__).parent / "reference"


def messages(source: str) -> Iterator[tuple[str, str]]:
    """Class and words of each error that a module raises; an ellipsis where a value stands."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Raise(exc=ast.Call(func=ast.Name(id=name), args=[first, *_])) if not hasattr(
                builtins, name
            ):
                words = "".join(_words(first))
                if any(character.isalpha() for character in words):
                    yield name, words


def _words(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            for part in parts:
                yield from _words(part)
        case ast.FormattedValue():
            yield "…"
        case ast.BinOp(left=left, right=right):
            yield from _words(left)
            yield from _words(right)


def page_of_messages() -> str:
    """Every error, below the class that scripts catch."""
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for package in ("hopkin.drivers", "hopkin.analysis"):
        for folder in importlib.util.find_spec(package).submodule_search_locations:
            for path in Path(folder).rglob("*.py"):
                module = ".".join([package, *path.relative_to(folder).with_suffix("").parts])
                for name, words in messages(path.read_text()):
                    found[name].add((words, module))
    lines = ["# Messages", "", "What hopkin refuses, by its words; … stands for a value."]
    for name, said in sorted(found.items()):
        lines += ["", f"## {name}", ""]
        lines += [f"- `` {words} ``  ({module})" for words, module in sorted(said)]
    return "\n".join(lines) + "\n"


def page_of_commands() -> str:
    """Every command and its options."""
    command = get_command(hopkin)
    return get_docs_for_click(obj=command, ctx=typer.Context(command), name="hopkin", title="Commands")


def page_of_settings() -> str:
    """Every field of what a user asks for."""
    lines = ["# Settings", "", "Fields of a campaign and of its entries, and of `run.json`."]
    of_campaigns = (Campaign, Barriers, Pairs, Select, Dynamics)
    for kind in (*of_campaigns, BarrierSpecification, KineticsSpecification, MDSpecification):
        lines += ["", f"## {kind.__doc__}", "", "| field | default | what |", "|---|---|---|"]
        for name, field in kind.model_fields.items():
            plain = isinstance(field.default, str | int | float | None) and field.default != ""
            default = "" if field.is_required() or not plain else f"`{field.default}`"
            what = (field.description or "").replace("|", "\\|")
            lines.append(f"| `{name}` | {default} | {what} |")
    return "\n".join(lines) + "\n"


def generate(_: Sphinx) -> None:
    """Write the pages that are made from the code."""
    (GENERATED / "messages.md").write_text(page_of_messages())
    (GENERATED / "commands.md").write_text(page_of_commands())
    (GENERATED / "settings.md").write_text(page_of_settings())


def setup(app: Sphinx) -> None:
    """Have them written before each build."""
    app.connect("builder-inited", generate)
