"""The terminal: progress, tables, JSON; what every command shows with."""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

console = Console()
_progress_console = Console(stderr=True)
_LINE_EVERY_S = 10.0


@contextmanager
def progress(title: str) -> Iterator[Callable[[str], None]]:
    """Show, on standard error, what is being done; lines where it is no terminal."""
    if _progress_console.is_terminal:
        with _progress_console.status(title) as status:
            yield lambda text: status.update(f"{title}: {text}")
        return
    stage, said_at = "", -math.inf

    def say(text: str) -> None:
        nonlocal stage, said_at
        now = time.monotonic()
        if text.partition(":")[0] != stage or now - said_at > _LINE_EVERY_S:
            stage, said_at = text.partition(":")[0], now
            _progress_console.print(f"{title}: {text}", highlight=False, soft_wrap=True)

    yield say


def print_json(content: object) -> None:
    """Print JSON, coloured in a terminal."""
    console.print_json(json.dumps(content))


def table_of(*columns: str) -> Table:
    """Make an empty table with these headings."""
    return Table(*map(escape, columns), box=None, pad_edge=False, header_style="bold")


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
        table.add_row(name, escape(shown(value)))
    console.print(table)
