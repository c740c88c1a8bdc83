"""The terminal: progress, tables, JSON; what every command shows with."""

import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_WHOLE_LINES = 100_000  # characters: what is no terminal gets whole words, each row in one line

console = Console(width=None if sys.stdout.isatty() else _WHOLE_LINES)
progress_console = Console(stderr=True)
_LINE_EVERY_S = 10.0


@contextmanager
def progress(title: str) -> Iterator[Callable[[str], None]]:
    """Show, on standard error, what is being done; lines where it is no terminal."""
    if progress_console.is_terminal:
        with progress_console.status(plain(title)) as status:
            yield lambda text: status.update(plain(f"{title}: {text}"))
        return
    stage, said_at = "", -math.inf

    def say(text: str) -> None:
        nonlocal stage, said_at
        now = time.monotonic()
        if text.partition(":")[0] != stage or now - said_at > _LINE_EVERY_S:
            stage, said_at = text.partition(":")[0], now
            progress_console.print(plain(f"{title}: {text}"), highlight=False, soft_wrap=True)

    yield say


def plain(text: str) -> str:
    """Return the markup that shows a text as it is: control characters, such as those of colours, by name."""
    named = (c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
    return escape("".join(named))


def print_json(content: object) -> None:
    """Print JSON, coloured in a terminal."""
    console.print_json(json.dumps(content))


def table_of(*columns: str) -> Table:
    """Make an empty table with these headings."""
    headings = map(plain, columns)
    return Table(*headings, box=None, pad_edge=False, header_style="bold", show_header=any(columns))


def show_table(table: Table) -> None:
    """Show a table; a terminal wraps it, what is none gets each row as one line without padding."""
    if sys.stdout.isatty():
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        console.print(line.rstrip(), markup=False, highlight=False, soft_wrap=True)


def shown(value: object, digits: int = 3) -> str:
    """Return a value as a cell: numbers rounded, None as a dash."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.{digits}g}" if abs(value) < 1e-3 or abs(value) >= 1e4 else f"{value:.{digits}f}"
    if isinstance(value, list | tuple):
        separator = "\n" if value and isinstance(value[0], dict) else " "
        return separator.join(shown(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(item)}" for name, item in value.items() if item)
    return str(value)


def show_fields(fields: Mapping[str, Any], *, as_json: bool) -> None:
    """Show names and values, one a line."""
    if as_json:
        print_json(fields)
        return
    table = table_of("", "")
    table.columns[1].overflow = "fold"
    for name, value in fields.items():
        table.add_row(name, plain(shown(value)))
    show_table(table)
