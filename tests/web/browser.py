"""Chromium without a window, driven by Selenium; both are Debian packages."""
import base64
import os
import shutil

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"


def is_missing():
    """What is missing, or None."""
    for program in (CHROMIUM, DRIVER):
        if not os.access(program, os.X_OK):
            return program
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "python3-selenium"
    return None


class Browser:
    """One window. Every page begins with an empty profile below `folder`."""

    def __init__(self, folder, width=1920, height=1080, dark=False, reduced_motion=True):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        self.profile = os.path.join(folder, "profile")
        for argument in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--force-color-profile=srgb",
            "--no-first-run",
            "--disable-background-networking",
            "--user-data-dir=" + self.profile,
        ):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(service=Service(DRIVER), options=options)
        self.resize(width, height)
        self.media(dark, reduced_motion)

    def resize(self, width, height):
        self.size = width, height
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )

    def media(self, dark, reduced_motion=True):
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {
                "features": [
                    {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
                    {
                        "name": "prefers-reduced-motion",
                        "value": "reduce" if reduced_motion else "no-preference",
                    },
                ]
            },
        )

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def wait(self, script, seconds=30):
        """Until the expression is true; whether it was."""
        from selenium.common.exceptions import TimeoutException
        from selenium.webdriver.support.ui import WebDriverWait

        try:
            WebDriverWait(self.driver, seconds, 0.1).until(
                lambda d: d.execute_script("return " + script)
            )
            return True
        except TimeoutException:
            return False

    def picture(self, path, whole=False):
        """PNG of the window, or of the whole page."""
        width, height = self.size
        if whole:
            self.resize(width, self.run("return document.documentElement.scrollHeight"))
            self.wait("false", 1)
        found = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        with open(path, "wb") as stream:
            stream.write(base64.b64decode(found["data"]))
        self.resize(width, height)

    def close(self):
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)
