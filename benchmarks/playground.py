"""Speed of the playground in a Chromium: training steps, frames while it plays, redrawn pictures.

    python -m benchmarks.playground [--seconds 5] [--slower 1 4]

The first table has, for 300 points and two networks side by side at five steps a frame, the
milliseconds of one training step of one network, the frames a second, and the page's work for a
frame: on average, and the longest single task. The second has what a new value of one slider
costs. Each number twice: by the clock, and as time of the processor for the page's thread, from
Chromium's trace. On a machine with other work the second is the one to look at, as the clock
counts the waiting, too. `--slower 4` has Chromium slow its processor four times, as a stand-in for
a phone. A browser without a window draws at most 60 frames a second, and without a GPU.
"""

import argparse
import json
import tempfile
from itertools import pairwise
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, CDPSession, Page

from tools import playground
from tools.browser import chromium

ROOT = Path(__file__).resolve().parents[1]
TASK = "ThreadControllerImpl::RunTask"
SLIDERS = {"plane": "coupling δ", "map": "λ"}

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

# About 50 ms of a laptop: beyond that a task is felt, the web's measures call it long.
PLAIN = """() => {
  const a = new Float64Array(1024).map((_, i) => Math.sin(i)), b = a.map(Math.cos);
  let sum = 0;
  for (let i = 0; i < 2.5e7; i++) sum += a[i & 1023] * b[(i + 1) & 1023];
  return sum;
}"""


def processor(session: CDPSession) -> float:
    """Return the milliseconds that the page's tasks have had of the processor so far."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(1000 * m["value"] for m in metrics if m["name"] == "TaskDuration")


def plain(page: Page) -> float:
    """Return the processor's milliseconds for 25 million multiplications in a plain loop.

    A task of the page is long or short beside it, on a slow or busy machine, too.
    """
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    times = [processor(session)]
    for _ in range(4):
        page.evaluate(PLAIN)
        times.append(processor(session))
    session.detach()
    return median(after - before for before, after in pairwise(times[1:]))


def step(page: Page, session: CDPSession) -> tuple[float, float]:
    """Return the clock's and the processor's milliseconds of one training step of one network."""
    page.wait_for_function("document.querySelector('.gs-play').playground.features")
    page.evaluate(WARM_UP)
    before = processor(session)
    clock = page.evaluate(STEPS) / 400
    return clock, (processor(session) - before) / 400


def traced(browser: Browser, page: Page, seconds: float) -> tuple[list[tuple[float, float]], int]:
    """Return (clock, processor) milliseconds of each task of the page's thread, and its frames."""
    browser.start_tracing(page=page, categories=["devtools.timeline", "toplevel"])
    page.wait_for_timeout(1000 * seconds)
    return tasks(browser)


def tasks(browser: Browser, drawing: bool = False) -> tuple[list[tuple[float, float]], int]:
    """Stop tracing, and return the same, or of the tasks only those that draw a frame."""
    events = json.loads(browser.stop_tracing())["traceEvents"]
    frames = [event for event in events if event["name"] == "FireAnimationFrame"]
    threads = {(event["pid"], event["tid"]) for event in frames}
    found = [
        (event["dur"] / 1000, event["tdur"] / 1000)
        for event in events
        if event["name"] == TASK and "tdur" in event and (event["pid"], event["tid"]) in threads
        if not drawing or any(0 <= frame["ts"] - event["ts"] < event["dur"] for frame in frames)
    ]
    return found, len(frames)


def play(browser: Browser, page: Page, seconds: float) -> tuple[list[tuple[float, float]], int]:
    """Return the tasks and the frames of a play from the start on."""
    page.get_by_role("button", name="Reset", exact=True).click()
    page.wait_for_function("document.querySelector('.gs-play').playground.features")
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_timeout(500)
    return traced(browser, page, seconds)


def redraw(browser: Browser, page: Page, tool: str) -> list[tuple[float, float]]:
    """Return the tasks that follow when a slider of a tool is moved by one step."""
    page.wait_for_function("document.querySelector('.gs-play').playground.seen")
    page.evaluate(
        "label => { const input = [...document.querySelectorAll('label')].find("
        "  one => one.textContent === label).control;"
        " setTimeout(() => { input.stepUp(); input.dispatchEvent(new Event('input')); }, 200); }",
        SLIDERS[tool],
    )
    return traced(browser, page, 4)[0]


def open_tool(browser: Browser, folder: Path, tool: str, settings: str, slower: float) -> Page:
    """Return a page that shows one tool alone, in a browser slowed down some times."""
    static = playground.folder(ROOT).parent.as_uri() + "/"
    file = folder / "page.html"
    place = playground.html(tool, static, settings=settings)
    file.write_text(playground.document(place, static=static), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1000, "height": 1700})
    page.goto(file.as_uri())
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    return page


def main() -> None:
    """Measure and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--slower", type=float, nargs="+", default=[1, 4])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name)
        print("ms: clock (processor)    a step       frames/s   work a frame    longest task")
        for width in (100, 500):
            for slower in options.slower:
                page = open_tool(browser, folder, "train", f"width={width}&open=0", slower)
                session = page.context.new_cdp_session(page)
                session.send("Performance.enable", {"timeDomain": "threadTicks"})
                clock, cpu = step(page, session)
                works, frames = play(browser, page, options.seconds)
                clocks, cpus = zip(*works, strict=True)
                print(
                    f"{width} units, {slower:g} times slower  {clock:5.2f} ({cpu:.2f})"
                    f"  {frames / options.seconds:5.0f}"
                    f"  {sum(clocks) / frames:10.1f} ({sum(cpus) / frames:.1f})"
                    f"  {max(clocks):10.0f} ({max(cpus):.0f})"
                )
                page.close()
        print("\na slider moved          all work        longest task")
        for tool in SLIDERS:
            for slower in options.slower:
                page = open_tool(browser, folder, tool, "", slower)
                clocks, cpus = zip(*redraw(browser, page, tool), strict=True)
                print(
                    f"{tool}, {slower:g} times slower  {sum(clocks):8.0f} ({sum(cpus):.0f})"
                    f"  {max(clocks):10.0f} ({max(cpus):.0f})"
                )
                page.close()


if __name__ == "__main__":
    main()
