"""The terminal shows text as it is: no markup, no control characters of whoever named a file."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from hopkin.drivers.engine import RunDirectory
from hopkin.drivers.terminal import console
from hopkin.drivers.terminal.console import plain, progress, show_fields
from hopkin.drivers.terminal.runs import show_evaluation

NASTY = "a[/b][bold]c\x1b[31md\x07"
SHOWN = "a[/b][bold]c\\x1b[31md\\x07"


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_shows_names_as_they_are(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    written = Console(file=io.StringIO(), force_terminal=terminal, no_color=True, width=200)
    monkeypatch.setattr(console, "progress_console", written)
    with progress(NASTY) as say:
        say(f"relaxing {NASTY}")
        shown = Console(file=io.StringIO(), width=200)
        shown.print(plain(NASTY))
    assert shown.file.getvalue() == f"{SHOWN}\n"
    said = written.file.getvalue()
    assert "\x07" not in said
    assert "\x1b[31m" not in said
    if not terminal:
        assert said == f"{SHOWN}: relaxing {SHOWN}\n"


def test_tables_show_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    show_fields({"material": NASTY}, as_json=False)
    assert SHOWN in capsys.readouterr().out


def test_groups_of_an_evaluation_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    errors = {"n_structures": 2}
    result = {
        **errors,
        "groups": {"[red]hot\x1b[31m": errors},
        "elements": {},
        "energy_shifted_mae_eV_per_atom": None,
        "n_skipped": 0,
        "n_failed": 0,
    }
    show_evaluation((RunDirectory(Path("run"), {}), result), as_json=False)
    assert "[red]hot\\x1b[31m" in capsys.readouterr().out
