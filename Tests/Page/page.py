#!/usr/bin/env python3
"""Opens a report in headless Chromium and uses it as a reader would: sees, clicks, tabs, prints.

    ./anytime test --slow

Leaves screenshots in light, dark and phone width, and the printed page, in the folder that -o names.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

from chromium import Chromium

EXPERIMENT = """
name: "page <b>&amp; \\"test\\"</b>"
space: mini
horizon: 100
seeds: 12
methods:
  - random-search
  - regularized-evolution: {population: 20, sample: 5}
  - regularized-evolution: {label: "</script><i>'big' & \\"old\\"</i>", population: 50}
  - tpe
  - hyperband
  - regularized-evolution: {label: varied, sample: 5, vary: {population: [10, 40]}}
"""
METHODS = 7


class Checks:
    """Counts what is right, says what is wrong."""

    def __init__(self):
        self.count = 0
        self.failures = []

    def __call__(self, condition, what):
        self.count += 1
        if not condition:
            self.failures.append(what)
            print("FAILED:", what)


def check_drawn(browser, check, url, name):
    check(browser.complaints == [], f"{name}: complaints {browser.complaints}")
    check(browser.requests == [url], f"{name}: asked for {browser.requests}")
    plots = browser.evaluate("document.querySelectorAll('figure.plot').length")
    check(plots >= 1, f"{name}: no plots")
    for place in range(plots):
        figure = f"document.querySelectorAll('figure.plot')[{place}]"
        drawn = browser.evaluate(
            f"[...{figure}.querySelectorAll('.drawing svg .mark-line path')].filter(p => p.getAttribute('d')).length")
        check(drawn >= METHODS, f"{name}: plot {place} has {drawn} lines")
        width = browser.evaluate(f"{figure}.querySelector('.drawing svg').getBoundingClientRect().width")
        room = browser.evaluate(f"{figure}.getBoundingClientRect().width")
        check(200 < width <= room + 1, f"{name}: plot {place} is {width} wide in {room}")
        names = browser.evaluate(
            f"[...{figure}.querySelectorAll('.drawing svg .names text')].filter(t => t.textContent)"
            ".map(t => t.getBoundingClientRect()).map(r => [r.left, r.top, r.right, r.bottom])")
        check(len(names) >= METHODS, f"{name}: plot {place} has {len(names)} names at its lines' ends")
        tops = sorted(box[1] for box in names)
        closest = min((b - a for a, b in zip(tops, tops[1:])), default=99)
        check(closest >= 10, f"{name}: names of plot {place} are {closest} pixels apart")
        edge = browser.evaluate(f"{figure}.querySelector('.drawing').getBoundingClientRect().right")
        check(all(box[2] <= edge + 1 for box in names), f"{name}: names of plot {place} are cut off")
        rows = browser.evaluate(f"{figure}.querySelectorAll('details table tbody tr').length")
        check(rows >= 5, f"{name}: plot {place} has no table behind it")
    wide = browser.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    check(wide <= 0, f"{name}: the page is {wide} pixels wider than the window")


def check_contrast(browser, check, name):
    """WCAG's contrast of letters on paper, at least 4.5."""
    ratio = browser.evaluate("""(() => {
      const light = (text) => {
        const parts = text.match(/[\\d.]+/g).slice(0, 3).map((c) => c / 255)
          .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
      };
      const paper = light(getComputedStyle(document.body).backgroundColor);
      return Math.min(...["h1", "p.caption", "a[href]", "td", "caption", "summary"].map((selector) => {
        const ink = light(getComputedStyle(document.querySelector(`main ${selector}, header ${selector}, nav ${selector}`)).color);
        return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
      }));
    })()""")
    check(ratio >= 4.5, f"{name}: contrast of {ratio:.2f}")


def check_controls(browser, check):
    """All by keyboard."""
    controls = browser.evaluate(
        "[...document.querySelectorAll('a[href], select, input, summary, [tabindex=\"0\"]')]"
        ".filter(e => e.checkVisibility()).length")
    seen = set()
    for _ in range(controls):
        browser.press("Tab")
        seen.add(browser.evaluate(
            "[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
    check(len(seen) >= controls, f"keyboard: {len(seen)} of {controls} controls can be reached")

    regret = "document.querySelector('#regret figure')"
    reading = f"{regret}.querySelector('.reading output').textContent"
    values = f"[...{regret}.querySelectorAll('.legend output')].map(o => o.textContent)"
    end, at_end = browser.evaluate(reading), browser.evaluate(values)
    check(end.startswith("100 "), f"the reading line starts at {end}")
    check(all(value.endswith("%") for value in at_end), f"values at the end: {at_end}")
    browser.evaluate(f"{regret}.querySelector('input[type=range]').focus()")
    browser.press("ArrowLeft")
    check(browser.evaluate(reading) != end, "the arrow keys do not move the reading line")
    browser.press("Home")
    check(browser.evaluate(values) != at_end, "the values do not follow the reading line")

    lines = f"[...{regret}.querySelectorAll('.drawing .mark-line path')].filter(p => p.getAttribute('d')).length"
    names = f"[...{regret}.querySelectorAll('.drawing .names text')].filter(t => t.textContent).length"
    before, named = browser.evaluate(lines), browser.evaluate(names)
    browser.evaluate(f"{regret}.querySelector('.legend input').focus()")
    browser.press(" ", "Space")
    check(browser.evaluate(lines) == before - 1, "a method that is switched off is still drawn")
    check(browser.evaluate(names) == named - 1, "the name of a method that is switched off is still drawn")
    browser.press(" ", "Space")
    check(browser.evaluate(lines) == before, "a method that is switched on again is not drawn")

    paths = f"[...{regret}.querySelectorAll('.drawing .mark-line path')].map(p => p.getAttribute('d')).join()"
    for control, value in [("[data-signal=statistic]", "mean"), ("[data-signal=metric]", "validation")]:
        old = browser.evaluate(paths)
        browser.evaluate(
            f"(c => {{ c.value = '{value}'; c.dispatchEvent(new Event('change')) }})({regret}.querySelector('{control}'))")
        browser.settle()
        check(browser.evaluate(paths) != old, f"{control} changes nothing")
    for axis in ["x", "y"]:
        old = browser.evaluate(paths)
        browser.evaluate(f"{regret}.querySelector('[data-log={axis}]').click()")
        browser.settle()
        check(browser.evaluate(paths) != old, f"the {axis} axis stays logarithmic")
    browser.evaluate(
        f"(c => {{ c.value = 'single runs'; c.dispatchEvent(new Event('change')) }})({regret}.querySelector('[data-signal=statistic]'))")
    browser.settle()
    count = browser.evaluate(lines)
    check(count == 12 * METHODS, f"{count} single runs are drawn")
    check(browser.complaints == [], f"controls: complaints {browser.complaints}")


def check_structure(browser, check):
    check(browser.evaluate("document.querySelectorAll('h1').length") == 1, "there is one h1")
    check(browser.evaluate("document.title").startswith("page <b>&amp;"), "the name is escaped once")
    check(browser.evaluate("document.querySelectorAll('main i, main b').length") == 0, "markup gets in by a label")
    bare = browser.evaluate("[...document.querySelectorAll('table')].filter(t => !t.caption || !t.querySelector('th[scope]')).length")
    check(bare == 0, f"{bare} tables have no caption or no headings")
    silent = browser.evaluate("[...document.querySelectorAll('svg')].filter(s => !s.closest('[role=img], [role=graphics-document][aria-label]') && "
                              "!s.closest('[aria-hidden]')).map(s => s.outerHTML.slice(0, 80))")
    check(silent == [], f"pictures that say nothing to a screen reader: {silent}")
    dots = browser.evaluate("document.querySelectorAll('#factors svg.factor circle').length")
    check(dots == 24, f"{dots} runs of a setting that varies are drawn")
    dead = browser.evaluate("[...document.querySelectorAll('a[href^=\"#\"]')].filter(a => !document.querySelector(a.hash)).length")
    check(dead == 0, f"{dead} links lead nowhere")


def check_print(browser, check, url, folder):
    browser.open(url)
    closed = "document.querySelectorAll('details:not([open])').length"
    before = browser.evaluate(closed)
    browser.evaluate("dispatchEvent(new Event('beforeprint'))")
    check(before > 0 and browser.evaluate(closed) == 0, "tables stay closed on paper")
    browser.evaluate("dispatchEvent(new Event('afterprint'))")
    check(browser.evaluate(closed) == before, "tables stay open after printing")
    browser.pdf(folder / "page.pdf")
    browser.open(url, width=794, height=1123, media="print", scheme="dark")
    paper = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    check(paper == "rgb(255, 255, 255)", f"paper is {paper}")
    browser.screenshot(folder / "print.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--anytime", required=True, help="the program")
    parser.add_argument("--chromium", default="chromium", help="the browser")
    parser.add_argument("-o", "--output", type=pathlib.Path, default="page-screenshots", help="a folder")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    check = Checks()

    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        (folder / "page.yaml").write_text(EXPERIMENT)

        def anytime(*arguments):
            return subprocess.run([pathlib.Path(options.anytime).resolve(), *arguments], cwd=folder, check=True, capture_output=True,
                                  text=True)

        anytime("compare", "page.yaml", "--quiet")
        anytime("report", "page.yaml", "-o", "page.html")
        anytime("report", "page.sqlite", "-o", "again.html")
        check((folder / "page.html").read_bytes() == (folder / "again.html").read_bytes(), "bytes differ")
        tables = anytime("report", "page.yaml", "-o", "tables.html", "--vega", "nowhere")
        check("libjs-vega" in tables.stderr, "nothing is said about missing plots")

        with Chromium(options.chromium) as browser:
            url = (folder / "page.html").resolve().as_uri()
            looks = {
                "light": {}, "dark": {"scheme": "dark"},
                "phone": {"width": 360, "height": 780, "scale": 2, "mobile": True},
            }
            for name, look in looks.items():
                browser.open(url, **look)
                check_drawn(browser, check, url, name)
                check_contrast(browser, check, name)
                browser.screenshot(options.output / f"{name}.png")
            browser.open(url)
            check_structure(browser, check)
            check_controls(browser, check)
            check_print(browser, check, url, options.output)

            url = (folder / "tables.html").resolve().as_uri()
            browser.open(url)
            check(browser.complaints == [] and browser.requests == [url], "without Vega: not silent")
            check(browser.evaluate("document.querySelectorAll('details.values[open] table').length") >= 1,
                  "without Vega: no tables")

    print(f"{check.count - len(check.failures)} of {check.count} checks passed; screenshots are in {options.output}")
    sys.exit(1 if check.failures else 0)


if __name__ == "__main__":
    main()
