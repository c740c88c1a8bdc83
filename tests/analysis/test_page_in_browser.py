"""The page in a real Chromium: it works, it is quiet, it asks nobody, and it can be used by everybody.

Needs `chromium` (Debian) on PATH, and the extra `browser`.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic import ABOVE_EV, VACANT_PART, Synthetic, computed_energy, vacancy_diffusivity

from hopkin.analysis.comparison import Card
from hopkin.analysis.report import write_report

pytestmark = pytest.mark.slow

MODELS = ("mace-mp-0b3", "orb-v2", "sevennet-0")
CARDS = {model: Card(architecture=model.partition("-")[0], training_set="MPtrj") for model in MODELS}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install hopkin[browser]")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium on PATH")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    Synthetic(folder / "runs", MODELS, n_barriers=8, n_runs=2, n_kinetics=1, n_failed=3)
    write_report(folder / "runs", folder / "report.html", CARDS)
    return folder / "report.html"


@pytest.fixture
def opened(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open a page; at the end, nothing was said on its console, and nothing was asked for."""
    said: list[str] = []
    contexts = []

    def opened(path: Path, **options: Any) -> Any:
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on(
            "request",
            lambda request: request.url.startswith(("file:", "blob:", "data:")) or said.append(request.url),
        )
        page.goto(path.as_uri())
        page.wait_for_selector("#models .tabulator-row")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [line for line in said if "GPU stall" not in line] == []


def column(page: Any, field: str, within: str = "#models") -> list[str]:
    cells = page.locator(f"{within} .tabulator >> nth=0").locator(
        f'.tabulator-row [tabulator-field="{field}"]'
    )
    return [text.strip() for text in cells.all_inner_texts()]


def until(page: Any, condition: Callable[[], bool]) -> None:
    """Wait for something that the page does soon."""
    for _ in range(100):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError("not within 5 s")


def test_sorting_filtering_and_weighing(opened: Callable[..., Any], report: Path) -> None:
    page = opened(report)
    scores = [float(text.split()[0]) for text in column(page, "score")]
    assert scores == sorted(scores, reverse=True)
    page.locator('#models .tabulator-col[tabulator-field="barrier_mae_eV"] >> nth=0').click()
    ascending = [float(text.split()[0]) for text in column(page, "barrier_mae_eV")]
    assert ascending == sorted(ascending)
    box = page.locator('#models .tabulator-col[tabulator-field="model"] input >> nth=0')
    box.press_sequentially("orb")
    until(page, lambda: len(column(page, "model")) == 1)
    assert column(page, "model") == ["orb-v2"]
    for _ in "orb":
        box.press("Backspace")
    until(page, lambda: len(column(page, "model")) == 3)
    before = column(page, "score")
    page.locator("#models summary").click()
    weight = page.get_by_label("weight of barrier MAE")
    weight.fill("50")
    weight.blur()
    until(page, lambda: column(page, "score") not in ([], before))


def test_a_run_opens_with_its_path_in_three_dimensions(opened: Callable[..., Any], report: Path) -> None:
    page = opened(report)
    page.get_by_role("tab", name="Barriers").click()
    page.locator("#barriers .tabulator-row a >> nth=0").click()
    page.wait_for_selector("dialog[open] .scene canvas")
    assert page.locator("dialog .plot .main-svg").count() > 0
    assert "barrier_eV" in page.locator("dialog").inner_text()
    page.get_by_label("Image of the path").fill("2")
    assert "image 2" in page.locator("dialog").inner_text()
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog:not([open])", state="attached")


def test_kinetics_open_with_the_network_of_hops(opened: Callable[..., Any], report: Path) -> None:
    page = opened(report)
    page.get_by_role("tab", name="Diffusivities from hops").click()
    page.locator("#diffusivities-from-hops .tabulator-row a >> nth=0").click()
    page.wait_for_selector("dialog[open] .scene canvas")
    until(page, lambda: page.locator("dialog .plot .main-svg").count() > 0)
    for hop, above in enumerate(ABOVE_EV):
        assert f"hop {hop} {computed_energy(0, 0) + above:.3f} eV" in page.locator("dialog").inner_text()
    drawn = page.evaluate(
        """() => { const { data, layout } = document.querySelector("dialog .plot");
        const names = data.map((one) => one.name || "");
        return { names, range: layout.yaxis.range, title: layout.title.text }; }"""
    )
    assert [name for name in drawn["names"] if name] == ["vacancy, a", "ion, a", "vacancy, b", "ion, b"]
    assert drawn["title"].endswith("along c: below 1e-20 cm²/s")
    slowest = np.log10(VACANT_PART * vacancy_diffusivity(0, 0, 300.0, 1))
    assert drawn["range"][0] < slowest < drawn["range"][0] + 1


def test_every_part_in_both_themes_on_a_desk_and_on_a_phone(opened: Callable[..., Any], report: Path) -> None:
    for scheme in ("light", "dark"):
        for size in ({"width": 1400, "height": 1000}, PHONE):
            page = opened(report, color_scheme=scheme, viewport=size)
            assert page.locator("html").get_attribute("data-theme") == scheme
            for tab in page.get_by_role("tab").all():
                tab.click()
                page.wait_for_timeout(100)
                wide = page.evaluate(
                    "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                )
                assert wide <= 0, f"{tab.inner_text()} is {wide} px too wide at {size}"
            page.get_by_role("button", name="Light" if scheme == "dark" else "Dark").click()
            assert page.locator("html").get_attribute("data-theme") != scheme


def test_each_plot_keeps_to_its_place(opened: Callable[..., Any], report: Path) -> None:
    """Also the first of several, which had all of the width when it was drawn."""
    page = opened(report, viewport={"width": 1400, "height": 1000})
    page.get_by_role("tab", name="Materials").click()
    page.get_by_label("Material", exact=True).select_option("Na0PS4")
    page.wait_for_timeout(500)
    plots = page.locator("#materials .plot")
    assert plots.count() > 2
    for plot in plots.all():
        place, drawn = plot.bounding_box(), plot.locator(".main-svg >> nth=0").bounding_box()
        assert drawn["width"] <= place["width"] + 1


def test_on_paper_all_parts_are_there(opened: Callable[..., Any], report: Path, tmp_path: Path) -> None:
    page = opened(report)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for part in ("models", "barriers", "molecular-dynamics", "failures", "provenance"):
        assert page.locator(f"#{part} .paper tr").count() > 3, part
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator(".paper tr").count() == 0
    page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    assert (tmp_path / "report.pdf").read_bytes().count(b"/Type /Page\n") > 2


def test_names_are_text_wherever_they_stand(opened: Callable[..., Any], tmp_path: Path) -> None:
    """In tables, figures and on paper: none of them runs, or is read as a tag."""
    nasty = "<img src=x onerror=alert(1)><b>m</b>"
    Synthetic(tmp_path / "runs", ("one",), n_barriers=2, n_runs=1)
    for file in tmp_path.rglob("*.json"):
        file.write_text(file.read_text().replace('"one"', json.dumps(nasty)))
    write_report(tmp_path / "runs", tmp_path / "report.html")
    page = opened(tmp_path / "report.html")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_timeout(500)
    assert page.locator("img").count() == 0
    assert nasty in page.locator("#models .paper >> nth=0").inner_text()
    assert page.locator("main b").count() == 0


def test_the_keyboard_goes_everywhere(opened: Callable[..., Any], report: Path) -> None:
    page = opened(report)
    page.get_by_role("tab", name="Models").focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("tab", name="Figures").get_attribute("aria-selected") == "true"
    page.wait_for_selector("#figures .main-svg")


def test_an_audit_finds_no_serious_barrier(opened: Callable[..., Any], report: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install hopkin[browser]")
    for scheme in ("light", "dark"):
        page = opened(report, color_scheme=scheme, bypass_csp=True)
        for tab in page.get_by_role("tab").all():
            tab.click()
            page.wait_for_timeout(200)
            found = axe.Axe().run(page).response["violations"]
            serious = [
                (v["id"], [node["target"] for node in v["nodes"]][:3])
                for v in found
                if v["impact"] in ("serious", "critical")
            ]
            assert serious == [], f"{tab.inner_text()}, {scheme}"


@pytest.mark.parametrize("content", ["one model", "no references", "only failures", "dynamics alone"])
def test_pages_of_little(opened: Callable[..., Any], tmp_path: Path, content: str) -> None:
    models = MODELS[:1] if content == "one model" else MODELS
    n_failed = {"only failures": 4}.get(content, 0)
    Synthetic(
        tmp_path / "runs",
        models[:1] if content == "only failures" else models,
        n_barriers=0 if content == "dynamics alone" else 4,
        n_runs=1 if content == "dynamics alone" else 0,
        n_failed=n_failed,
    )
    if content == "no references":
        (tmp_path / "runs" / "campaign.json").unlink()
    write_report(tmp_path / "runs", tmp_path / "report.html")
    page = opened(tmp_path / "report.html")
    for tab in page.get_by_role("tab").all():
        tab.click()
        page.wait_for_timeout(100)
        said = page.locator("main").inner_text()
        assert "NaN" not in said
        assert "undefined" not in said
