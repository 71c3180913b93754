#!/usr/bin/python3
"""Pictures of the page of a real daemon, for docs/.

    tests/web/screenshots.py BUILD FOLDER [ARCHIVE.nc]

Fits an archive (simulated when there is none), records its last forecasts and what verified, and
writes FOLDER/page-desktop.png, page-phone.png and page-dark.png.
"""
import os
import sys

import browser
import daemon

RECORDED = 60


def picture(folder, url, path, width, height, dark):
    window = browser.Browser(folder, width, height, dark)
    try:
        window.driver.get(url)
        if not window.wait(
            "document.querySelector('#connection').dataset.state === 'live' && document.querySelector('#calibration-body dl')"
        ):
            raise RuntimeError("the page did not get its data")
        window.wait("document.querySelector('canvas.map')", 5)
        window.picture(path, whole=width < 600)
    finally:
        window.close()
    print(path)


def main(build, folder, archive=None):
    missing = browser.is_missing()
    if missing:
        sys.exit(f"screenshots.py: {missing} is missing: run deploy/install-deps.sh test")
    served = daemon.Daemon(build)
    try:
        archive = archive or served.simulate()
        served.fit("demo", archive)
        refused = daemon.record(served, "demo", archive, RECORDED)
        if refused:
            print(f"this daemon records no intervals yet: {refused[0][0]} answers {refused[0][1]}")
        for name, width, height, dark in (
            ("desktop", 1920, 1080, False),
            ("phone", 390, 844, False),
            ("dark", 1920, 1080, True),
        ):
            picture(
                served.folder,
                served.url,
                os.path.join(folder, f"page-{name}.png"),
                width,
                height,
                dark,
            )
    finally:
        served.remove()


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
