"""Latency of keys in `rlhp play`, from the key event in the browser to the picture on the canvas.

    python experiments/page/latency.py [--presses 100] [-- env=pong]

A headless Chromium plays the game at its own speed and presses a key at random times. A time is from the key event to the first
drawn picture of a step with this key. Prints one row of the table in README.md.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from playwright.sync_api import Page, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
# press or release a key after `pause` ms and wait for the picture that shows it; returns the time in ms
PRESS = """([type, code, pause]) => new Promise((done) => setTimeout(() => {
  const began = performance.now();
  const watch = new MutationObserver(() => {
    if (Number(document.body.dataset.heard) < Number(document.body.dataset.sent)) return;
    watch.disconnect();
    done(performance.now() - began);
  });
  watch.observe(document.body, { attributeFilter: ["data-heard"] });
  dispatchEvent(new KeyboardEvent(type, { code, cancelable: true }));
}, pause))"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presses", type=int, default=100)
    parser.add_argument("settings", nargs="*", default=["env=pong"], metavar="KEY=VALUE")
    given = parser.parse_args()
    with playing(given.settings) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        times = pressed(browser.new_page(), address, given.presses)
        browser.close()
    p50, p95 = np.percentile(times, [50, 95])
    load = os.getloadavg()[0]
    print("| settings | keys | p50 ms | p95 ms | longest ms | load average |\n|---|---|---|---|---|---|")
    print(f"| {' '.join(given.settings)} | {len(times)} | {p50:.1f} | {p95:.1f} | {max(times):.1f} | {load:.1f} |")


@contextmanager
def playing(settings: list[str]) -> Iterator[str]:
    """Serve `rlhp play` and yield the address of its page."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "rlhp.cli", "play", *settings, "-o", f"{folder}/kept", "--port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            yield next(line.strip() for line in process.stdout if "http" in line)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def pressed(tab: Page, address: str, presses: int) -> list[float]:
    """Measure the times of `presses` presses and as many releases."""
    rng = np.random.default_rng(0)
    tab.goto(address)
    tab.wait_for_selector("body[data-phase=ready]")
    code = tab.get_attribute(".key", "data-code")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("body[data-phase=playing]")
    kinds = ["keydown", "keyup"] * presses
    return [tab.evaluate(PRESS, [kind, code, float(rng.uniform(100, 300))]) for kind in kinds]


if __name__ == "__main__":
    main()
