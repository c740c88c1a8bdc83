"""Checkpoints that the user trusts are remembered, all of them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hopkin.drivers.errors import TrustError
from hopkin.drivers.models import trust


def test_what_several_trust_at_once_is_remembered() -> None:
    """No one overwrites what another has written meanwhile."""
    hashes = [f"{n:064x}" for n in range(32)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda sha256: trust.trust(sha256, Path("mine.pth")), hashes))
    for sha256 in hashes:
        trust.require_trusted(sha256, Path("mine.pth"), "mace")
    with pytest.raises(TrustError, match=r"mine\.pth has not been seen before.*--trust"):
        trust.require_trusted("0" * 63 + "f" * 2, Path("mine.pth"), "mace")


def test_a_torn_list_counts_as_absent(caplog: pytest.LogCaptureFixture) -> None:
    """Who trusts a file again has a list again."""
    trust.trust("abc", Path("x"))
    for torn in ('{"abc": {', "", "[]"):
        trust._file().write_text(torn)
        with pytest.raises(TrustError, match=r"has not been seen before"):
            trust.require_trusted("abc", Path("x"), "mace")
        trust.trust("abc", Path("x"))
        trust.require_trusted("abc", Path("x"), "mace")
    assert "trusted.json is torn" in caplog.text
