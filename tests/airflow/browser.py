"""Drives Airflow's pages in headless Chromium."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE_SECONDS = 60
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1360,900", "--lang=en",
)  # fmt: skip


def is_installed() -> bool:
    return bool(shutil.which("chromium") and shutil.which("chromedriver"))


@contextmanager
def open_browser() -> Iterator[webdriver.Chrome]:
    """Debian's Chromium with a fresh profile."""
    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
        try:
            yield browser
        finally:
            browser.quit()


class Pages:
    """The actions of a user on the pages. Every action waits for its element."""

    def __init__(self, browser: webdriver.Chrome, url: str, pictures: Path | None = None):
        self.browser, self.url, self.pictures = browser, url, pictures

    def log_in(self, user: str, password: str) -> None:
        self.open("/auth/login")
        self.find("input[name=username]").send_keys(user)
        self.find("input[name=password]").send_keys(password)
        self.find("button[type=submit]").click()
        self.see("Dags")

    def open(self, path: str) -> None:
        self.browser.get(self.url + path)

    def find(self, selector: str) -> WebElement:
        return self._wait(lambda: self._shown(By.CSS_SELECTOR, selector), selector)

    def find_text(self, text: str, tag: str = "*") -> WebElement:
        """The innermost visible element with this text."""
        path = f"//{tag}[contains(normalize-space(.), '{text}')][not(.//{tag}[contains(normalize-space(.), '{text}')])]"
        return self._wait(lambda: self._shown(By.XPATH, path), text)

    def fill_date(self, parameter: str, day: date) -> None:
        """Fills in a date field, whose parts are in the order of the browser's language."""
        self.find(f"input[name=element_{parameter}]").send_keys(f"{day:%m%d%Y}")

    def see(self, text: str) -> None:
        self.find_text(text)

    def picture(self, name: str) -> None:
        if self.pictures:
            self.pictures.mkdir(parents=True, exist_ok=True)
            self.browser.save_screenshot(str(self.pictures / f"{name}.png"))

    def _shown(self, by: str, what: str) -> WebElement | None:
        return next((element for element in self.browser.find_elements(by, what) if element.is_displayed()), None)

    def _wait(self, find, what: str) -> WebElement:
        return WebDriverWait(self.browser, PATIENCE_SECONDS).until(lambda _: find(), f"{what!r} is not on the page")
