"""Speed of the playground's network in a Chromium: training steps, and frames while it plays.

    python -m benchmarks.playground [--seconds 5]

Prints, for 300 points and each width, the milliseconds of one training step of one network; and
for a play at five steps a frame of two networks side by side the frames a second, and the longest
work within one. "cpu" is the processor's time for the page's thread, from Chromium's trace: on a
machine with other work it is the number to look at, as the clock counts the waiting, too. A
browser without a window draws at most 60 frames a second.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tools import playground

ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

WARM_UP = """() => {
  const { trainer } = document.querySelector(".gs-play").playground.runs[1];
  for (let i = 0; i < 200; i++) trainer.advance();
}"""
STEPS = """() => {
  const { trainer } = document.querySelector(".gs-play").playground.runs[1];
  const start = performance.now();
  for (let i = 0; i < 400; i++) trainer.advance();
  return performance.now() - start;
}"""
COUNT = """() => {
  window.count = 0;
  const tick = () => { window.count += 1; requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
}"""


def frames_of(trace: bytes) -> list[tuple[float, float]]:
    """Return the clock's and the processor's milliseconds of each animation frame of a trace."""
    events = json.loads(trace)["traceEvents"]
    whole = [e for e in events if e["name"] == "FireAnimationFrame" and {"dur", "tdur"} <= set(e)]
    return [(event["dur"] / 1000, event["tdur"] / 1000) for event in whole]


def measure(browser: Browser, page: Page, seconds: float) -> str:
    """Return a line of what was measured on a page that shows the training tool alone."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def processor() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(1000 * m["value"] for m in metrics if m["name"] == "TaskDuration")

    page.wait_for_function("document.querySelector('.gs-play').playground.features")
    page.evaluate(WARM_UP)
    before = processor()
    clock = page.evaluate(STEPS) / 400
    step = (processor() - before) / 400
    page.get_by_role("button", name="Reset").click()
    page.wait_for_function("document.querySelector('.gs-play').playground.features")
    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(1000)
    browser.start_tracing(page=page, categories=["devtools.timeline"])
    page.evaluate(COUNT)
    page.wait_for_timeout(1000 * seconds)
    rate = page.evaluate("window.count") / seconds
    clocks, cpus = zip(*frames_of(browser.stop_tracing()))
    return (
        f"a step {clock:.2f} ms (cpu {step:.2f}); playing {rate:.0f} frames a second, longest work "
        f"in a frame {max(clocks):.0f} ms (cpu {max(cpus):.0f})"
    )


def main() -> None:
    """Time two widths and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    static = playground.folder(ROOT).parent.as_uri() + "/"
    system = next(filter(None, map(shutil.which, BROWSERS)), None)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=system, args=["--no-sandbox"])
        for width in (100, 500):
            place = playground.html("train", f"width={width}", static)
            file = Path(folder) / "page.html"
            file.write_text(playground.document(place, static=static), encoding="utf-8")
            page = browser.new_page(viewport={"width": 1000, "height": 1300})
            page.goto(file.as_uri())
            print(f"{width} units: {measure(browser, page, options.seconds)}")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
