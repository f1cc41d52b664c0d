"""Chromium, and what it says of a page that it shows."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def open_browser(profile: Path) -> Iterator[Any]:
    """A driver of Chromium without a window; skips the test where there is none.

    Args:
        profile: the folder that it keeps its things in.
    """
    webdriver = pytest.importorskip("selenium.webdriver")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("Chromium and its driver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1500,2200",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    found.get("about:blank")
    found.get_log("performance")  # what the browser's own first page asked for
    try:
        yield found
    finally:
        found.quit()


def faults(browser: Any, address: str) -> list[str]:
    """Errors that were logged, and addresses asked for that do not begin with the page's."""
    log = browser.get_log("browser")
    found = [entry["message"] for entry in log if entry["level"] == "SEVERE"]
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = {
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    if not any(url.startswith(address) for url in asked):
        found.append("what is asked for is not recorded")
    return found + [url for url in asked if not url.startswith((address, "data:", "blob:"))]
