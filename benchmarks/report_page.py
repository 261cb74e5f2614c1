"""How large a report is, how long it takes to render and to open, and what axe-core says: `python -m benchmarks.report_page`.

Opens `reports/published/evidence.json`, or another document that is named, rendered anew, in the system's Chromium with
the network off. Times are medians; CPU time is the browser's own count of what its main thread did.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, sync_playwright

from pytest_claims.report import load, write

ROUNDS = 5
DRAWN = """() => new Promise((loaded) => {
  if (document.readyState === "complete") loaded(); else addEventListener("load", loaded);
}).then(() => new Promise((done) => requestAnimationFrame(() => {
  document.querySelectorAll(".card").forEach((card) => { card.style.contentVisibility = "visible"; });
  document.body.getBoundingClientRect();
  requestAnimationFrame(() => done(performance.now()));
})))"""
"""Milliseconds from opening until every card, also those far below, has been laid out and painted."""

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
VIEWS = (("light", 1280), ("dark", 1280), ("light", 360), ("dark", 360))


def main(evidence: Path) -> None:
    """Measure and print."""
    document = load(evidence)
    with tempfile.TemporaryDirectory() as directory, sync_playwright() as playwright:
        rendering = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            write(document, Path(directory))
            rendering.append(time.perf_counter() - start)
        page = Path(directory) / "index.html"
        print(f"{len(document['claims'])} claims, {len(document['trials'])} trials")
        print(f"size: {page.stat().st_size / 1e6:.2f} MB (at most 3)")
        print(f"rendering, all files: {statistics.median(rendering):.2f} s (at most 5)")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        opened = [_open(browser, page) for _ in range(ROUNDS)]
        drawn, busy, nodes = (statistics.median(column) for column in zip(*opened, strict=True))
        print(f"all charts drawn: {drawn / 1000:.2f} s after opening (at most 1), main thread busy {busy:.2f} s")
        print(f"elements: {nodes:.0f}")
        for theme, width in VIEWS:
            print(f"axe-core, {theme}, {width} pixels: {_violations(browser, page, theme, width)} violations")
        browser.close()


def _open(browser: Browser, page: Path) -> tuple[float, float, float]:
    """Milliseconds until all is drawn, seconds that the main thread was busy, and elements."""
    with browser.new_context(offline=True, viewport={"width": 1280, "height": 900}) as context:
        tab = context.new_page()
        session = context.new_cdp_session(tab)
        session.send("Performance.enable")
        tab.goto(page.as_uri(), wait_until="commit")
        drawn = float(tab.evaluate(DRAWN))
        metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
        return drawn, metrics["TaskDuration"], float(tab.evaluate("document.querySelectorAll('*').length"))


def _violations(browser: Browser, page: Path, theme: Any, width: int) -> int:
    """Elements that break a rule, with every fold open."""
    size: Any = {"width": width, "height": 900}
    with browser.new_context(offline=True, color_scheme=theme, viewport=size, bypass_csp=True) as context:
        tab = context.new_page()
        tab.goto(page.as_uri())
        tab.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
        found = Axe().run(tab, options={"runOnly": RULES, "resultTypes": ["violations"]}).response["violations"]
        return sum(len(violation["nodes"]) for violation in found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("evidence", nargs="?", type=Path, default=Path("reports/published/evidence.json"))
    main(parser.parse_args().evidence)
