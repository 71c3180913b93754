#!/usr/bin/python3
"""What is true of the page, seen in a browser without a window: of a real daemon from $NTK_BUILD
(or build/release), and of a stand-in (mock.py) that has many records.

Each test is a function below a heading; its name says what holds. Ends with a line in the form of
Check, as tests/run.sh reads it. Skipped where Chromium or Selenium is missing.
"""
import json
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "operations"))
import browser  # noqa: E402
import checks  # noqa: E402
import mock  # noqa: E402

TOKEN = "0123456789abcdef-page"
DRAWN = "document.querySelector('#connection').dataset.state === 'live'"
VIOLATIONS = """window.violations = [];
    addEventListener('securitypolicyviolation', e => violations.push(e.violatedDirective))"""


class World:
    """A browser, the stand-in's address, and a daemon that wants a token and has no calibration."""

    def __init__(self):
        import daemon

        self.folder = tempfile.mkdtemp(prefix="ntkuq-browser.")
        token_file = os.path.join(self.folder, "tokens")
        with open(os.open(token_file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as stream:
            stream.write(TOKEN + "\n")
        self.daemon = daemon.Daemon(
            os.environ.get("NTK_BUILD", "build/release"), ["--token_file", token_file]
        )
        self.mock = f"http://127.0.0.1:{mock.start().server_address[1]}/"
        self.browser = browser.Browser(self.folder)
        self.browser.driver.execute_cdp_cmd(
            "Page.addScriptToEvaluateOnNewDocument", {"source": VIOLATIONS}
        )

    def open(self, url, width=1920, height=1080, dark=False, state="live"):
        self.browser.resize(width, height)
        self.browser.media(dark)
        self.browser.driver.get("about:blank")
        self.browser.driver.get_log("browser")
        self.browser.driver.get_log("performance")
        self.browser.driver.get(url)
        reached = f"document.querySelector('#connection').dataset.state === '{state}'"
        assert self.browser.wait(reached), f"{url} did not get its data"
        return self.browser

    def requests(self, method):
        messages = [
            json.loads(entry["message"])["message"]
            for entry in self.browser.driver.get_log("performance")
        ]
        return [m["params"] for m in messages if m["method"] == method]

    def close(self):
        self.browser.close()
        self.daemon.remove()


def text(page, selector):
    return page.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector)


def press(page, key):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(page.driver).send_keys(key).perform()


# ---- the page as it comes -----------------------------------------------------------------------


def it_loads_without_a_complaint(world):
    for url in (world.daemon.url, world.mock):
        page = world.open(url)
        page.wait("false", 2)
        assert page.run("return violations") == []
        complaints = [entry["message"] for entry in page.driver.get_log("browser")]
        assert complaints == [], complaints


def it_asks_nobody_else(world):
    for url in (world.daemon.url, world.mock):
        page = world.open(url)
        page.wait("false", 1)
        asked = [
            request["request"]["url"] for request in world.requests("Network.requestWillBeSent")
        ]
        strangers = [
            address for address in asked if not address.startswith((url, "data:", "about:"))
        ]
        assert len(asked) > 10 and strangers == [], strangers


def what_is_inline_does_not_run(world):
    page = world.open(world.daemon.url)
    page.run(
        "const s = document.createElement('script'); s.textContent = 'window.injected = 1'; document.body.append(s)"
    )
    assert page.run("return window.injected") is None
    assert page.run("return violations.length") == 1


def what_did_not_change_is_not_sent_again(world):
    page = world.open(world.mock)
    world.requests("")
    page.run("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait("false", 2)
    statuses = {
        response["response"]["status"] for response in world.requests("Network.responseReceived")
    }
    assert statuses == {304}, statuses


def functions_of_numbers_and_times_hold(world):
    page = world.open(world.mock)
    found = page.driver.execute_async_script(
        """
        const done = arguments[0];
        import('/web/format.js').then(f => done([
            f.number(-0.004, 2), f.number(-1.5, 1), f.number(null, 1), f.level(0.9), f.level(0.995), f.units('m2 s-2'), f.units('1'),
            f.time('2014-01-03T06:00:00Z'), f.longitude(330), f.latitude(-4), f.age(7200000), f.decimalsFor([2, 3, 4]),
            f.decimalsFor([100000]), f.power(0.0002), f.stepDecimals([0, 2.5]), f.stepDecimals([10, 20]), f.roundRange(2.1, 3.9).join(),
            f.verdict({coverage: .8, coverage_lower: .7, coverage_upper: .89, level: .9}).kind,
            f.verdict({coverage: .9, coverage_lower: .88, coverage_upper: .92, level: .9}).kind,
            f.standing(97).kind, f.standing(50).kind, f.standing(null).kind, f.nearest([70, 60, 50], 58)]), e => done(String(e)))"""
    )
    assert found == [
        "0.00",
        "−1.5",
        "–",
        "90 %",
        "99.5 %",
        "m² s⁻²",
        "",
        "3 Jan 2014 06:00 UTC",
        "30.0° W",
        "4.0° S",
        "2 h",
        2,
        0,
        "2·10⁻⁴",
        1,
        0,
        "2,4",
        "below",
        "kept",
        "wide",
        "usual",
        "unknown",
        1,
    ], found


def colours_of_the_scale_are_in_order_of_lightness(world):
    page = world.open(world.mock)
    found = page.driver.execute_async_script(
        """
        const done = arguments[0];
        import('/web/format.js').then(f => done([false, true].map(dark => Array.from({length: 21}, (_, i) => {
            const [r, g, b] = f.scaleColour(i / 20, dark).map(v => (v / 255) ** 2.2);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        }))))"""
    )
    for luminances, falls in zip(found, (True, False)):
        assert luminances == sorted(luminances, reverse=falls), luminances


# ---- for everybody ------------------------------------------------------------------------------


def landmarks_and_headings_are_there(world):
    page = world.open(world.mock)
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.wait("document.querySelectorAll('table').length === 4")
    assert page.run(
        "return ['header', 'main', 'footer', 'h1'].map(s => document.querySelectorAll(s).length)"
    ) == [1, 1, 1, 1]
    assert (
        page.run(
            "return [...document.querySelectorAll('section')].filter(s => !document.getElementById(s.getAttribute('aria-labelledby'))).length"
        )
        == 0
    )
    levels = page.run(
        "return [...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])"
    )
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:])), levels
    assert page.run(
        "return [...document.querySelectorAll('table')].every(t => t.caption?.textContent)"
    )
    assert page.run("return document.documentElement.lang") == "en"
    assert (
        page.run("return document.querySelector('#alarms-summary').getAttribute('aria-live')")
        == "assertive"
    )


def everything_that_takes_focus_has_a_name(world):
    for url in (world.daemon.url, world.mock):
        page = world.open(url)
        page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        page.driver.execute_cdp_cmd("Accessibility.enable", {})
        nodes = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        takes = [
            node
            for node in nodes
            if not node.get("ignored")
            and any(
                p["name"] == "focusable" and p["value"].get("value")
                for p in node.get("properties", [])
            )
        ]
        unnamed = [
            node["role"]["value"]
            for node in takes
            if not node.get("name", {}).get("value")
            and node["role"]["value"] not in ("RootWebArea", "main")
        ]
        assert len(takes) > 8 and unnamed == [], unnamed


CONTROLS = """return [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')]
    .filter(e => e.checkVisibility() && !e.disabled && !(e.type === 'radio' && !e.checked)).map((e, i) => (e.dataset.seen = i))"""


def tab_reaches_every_control_and_shows_where_it_is(world):
    from selenium.webdriver.common.keys import Keys

    for url in (world.daemon.url, world.mock):
        page = world.open(url)
        page.wait("false", 1)
        page.run(
            "window.stop(); for (let i = 0; i < 9999; i++) clearTimeout(i)"
        )  # no polls meanwhile
        wanted = page.run(CONTROLS)
        reached = []
        for _ in range(len(wanted) + 5):
            press(page, Keys.TAB)
            at = page.run(
                """const e = document.activeElement, shown = e.type === 'radio' ? e.closest('label') : e;
                return [e.dataset?.seen, e === document.body || getComputedStyle(shown).outlineStyle !== 'none', e.outerHTML.slice(0, 80)]"""
            )
            assert at[1], "no outline: " + at[2]
            if at[0] is not None:
                reached.append(int(at[0]))
        assert set(reached) == set(wanted), set(wanted) - set(reached)
        first = reached[: len(wanted)]
        assert first == sorted(first), first


def the_skip_link_leads_to_the_forecasts(world):
    from selenium.webdriver.common.keys import Keys

    page = world.open(world.mock)
    press(page, Keys.TAB)
    assert page.run("return document.activeElement.innerText") == "Skip to the forecasts"
    press(page, Keys.ENTER)
    assert page.run("return document.activeElement.id") == "main"


def it_fits_a_phone(world):
    for url in (world.daemon.url, world.mock):
        for width in (390, 320):
            page = world.open(url, width, 844)
            page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
            page.wait("false", 1)
            assert page.run("return document.documentElement.scrollWidth") <= width, (url, width)


def it_fits_a_wall_without_scrolling(world):
    page = world.open(world.mock)
    assert page.wait("document.querySelector('canvas.map')")
    assert page.run("return document.documentElement.scrollHeight") <= 1080
    assert page.run(
        "const s = document.querySelector('#series .scroll'); return s.scrollWidth <= s.clientWidth"
    )


CONTRAST = """
const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
const bytes = (colour, below) => { canvas.fillStyle = `rgb(${below})`; canvas.fillRect(0, 0, 1, 1); canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3); };
const luminance = rgb => rgb.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = e => e ? bytes(getComputedStyle(e).backgroundColor, behind(e.parentElement)) : [255, 255, 255];
const poor = [];
for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || !e.checkVisibility() || e.closest('svg, .skip, :disabled')) continue;
    const style = getComputedStyle(e), back = behind(e), pair = [luminance(bytes(style.color, back)), luminance(back)].sort();
    const size = parseFloat(style.fontSize), needed = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5;
    const found = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (found < needed) poor.push(`${found.toFixed(2)} ${e.tagName} ${e.className} ${e.textContent.slice(0, 30)}`);
}
return poor;"""


def text_has_contrast_in_light_and_dark(world):
    for dark in (False, True):
        page = world.open(world.mock, dark=dark)
        page.wait("document.querySelector('canvas.map')")
        page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
        poor = page.run(CONTRAST)
        assert poor == [], poor


def dark_is_taken_from_the_system_and_from_the_button(world):
    background = "return getComputedStyle(document.body).backgroundColor"
    page = world.open(world.mock)
    light = page.run(background)
    page = world.open(world.mock, dark=True)
    dark = page.run(background)
    assert dark != light
    page.run("document.querySelector('#theme').click()")
    assert (page.run(background), text(page, "#theme")) == (light, "Theme: light")
    page = world.open(world.mock, dark=True)
    assert page.run(background) == light, "the choice was forgotten"
    page.run("document.querySelector('#theme').click()")
    page = world.open(world.mock)
    assert (page.run(background), text(page, "#theme")) == (dark, "Theme: dark")
    page.run("document.querySelector('#theme').click()")
    assert (page.run(background), text(page, "#theme")) == (light, "Theme: auto")


def nothing_moves_for_who_wants_rest(world):
    page = world.open(world.mock)
    assert (
        page.run("return getComputedStyle(document.querySelector('main')).transitionDuration")
        == "0s"
    )
    page.media(dark=False, reduced_motion=False)
    assert (
        page.run("return getComputedStyle(document.querySelector('main')).transitionDuration")
        != "0s"
    )


# ---- what a forecaster reads --------------------------------------------------------------------


def alarms_come_first(world):
    page = world.open(world.mock)
    assert text(page, "#alarms-summary") == "⚠ One alarm"
    assert "europe v3 · t2m · 120 h · 90 %" in text(page, "#alarms-list")
    assert "⚠ 1 alarm" in text(page, "#tiles")
    assert page.run("return document.title").startswith("(1)")


def widths_stand_against_their_history(world):
    page = world.open(world.mock)
    rows = page.run(
        "return [...document.querySelectorAll('#series tbody tr')].map(r => r.innerText)"
    )
    assert [row.split()[0] for row in rows] == ["6", "12", "24", "48", "72", "120"], rows
    assert (
        "×" in rows[0] and "✓ kept" in rows[0] and "▼ too low" in rows[-1] and "93.2 %" in rows[-1]
    ), rows
    assert page.run("return document.querySelectorAll('#series svg.spark[aria-label]').length") == 6
    assert "(K)" in text(page, "#series thead")


def a_lead_time_can_be_chosen_everywhere(world):
    page = world.open(world.mock)
    page.run("[...document.querySelectorAll('#series button')].at(-1).click()")
    assert page.wait("document.querySelector('.leads input:checked')?.value === '120'")
    assert page.wait(
        "document.querySelector('#calibration-body .subject').innerText.includes('120 h')"
    )
    assert text(page, "#tiles").count("at 120 h") == 2
    assert page.run("return document.querySelector('#choose-lead').value") == "120"
    page = world.open(page.run("return location.href"))
    assert page.wait(
        "document.querySelector('.leads input:checked')?.value === '120'"
    ), "the address does not keep the choice"


def the_fan_is_read_by_keys_and_as_a_table(world):
    from selenium.webdriver.common.keys import Keys

    page = world.open(world.mock)
    assert page.wait("document.querySelector('#fan .u-over')")
    page.run("document.querySelector('#fan .chart').focus()")
    press(page, Keys.ARROW_RIGHT)
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.wait("document.querySelector('#fan .reading').innerText.startsWith('6 h,')"), text(
        page, "#fan .reading"
    )
    assert (
        "90 %" in text(page, "#fan .reading")
        and " K" in text(page, "#fan .reading")
        and "truth" in text(page, "#fan .reading")
    )
    assert page.wait("document.querySelectorAll('#fan tbody tr').length === 6")
    limits = page.run(
        "return [...document.querySelectorAll('#fan tbody tr')].map(r => [...r.cells].slice(1, 8).map(c => parseFloat(c.innerText || c.textContent)))"
    )
    for forecast, low9, high9, low8, high8, low5, high5 in limits:
        assert low9 < low8 < low5 < forecast < high5 < high8 < high9


def the_map_is_read_by_keys_and_as_a_table(world):
    from selenium.webdriver.common.keys import Keys

    page = world.open(world.mock)
    assert page.wait("document.querySelector('canvas.map')")
    before = text(page, "#map .reading")
    assert "52.5° N 12.5° E" in before and "K wide" in before, before
    page.run("document.querySelector('canvas.map').focus()")
    press(page, Keys.ARROW_RIGHT)
    press(page, Keys.ARROW_UP)
    assert page.wait(
        "document.querySelector('#map .reading').innerText.includes('52.5° N 12.5° E') === false"
    )
    press(page, Keys.ENTER)
    assert page.wait("document.querySelector('#choose-place').value !== '60'")
    page.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.wait("document.querySelectorAll('#map tbody tr').length === 11")
    assert "places verified outside" in text(page, "#map")
    assert (
        page.run(
            """const c = document.querySelector('canvas.map'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        const seen = new Set(); for (let i = 0; i < d.length; i += 4) seen.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]); return seen.size"""
        )
        > 30
    )


def one_forecast_ahead_does_not_hide_the_others(world):
    server = mock.start(answers=mock.ONE_AHEAD)
    page = world.open(f"http://127.0.0.1:{server.server_address[1]}/")
    variables = page.run(
        "return [...document.querySelectorAll('#choose-variable option')].map(o => o.value)"
    )
    assert variables == ["t2m", "z500"], variables
    captions = page.run(
        "return [...document.querySelectorAll('#series caption')].map(c => c.innerText)"
    )
    assert "each lead time" in captions[0] and "1 Jan 2100" in captions[0], captions
    assert captions[1].endswith("interval, forecast of 21 Nov 2026 00:00 UTC"), captions
    rows = page.run(
        "return [...document.querySelectorAll('#series tbody tr')].map(r => r.cells[0].innerText)"
    )
    assert len(rows) == 12 and "of " not in rows[0] and "of " not in rows[6], rows
    assert all("of 21 Nov 2026" in row for row in rows[1:6]), rows
    sparks = page.run(
        "return [...document.querySelectorAll('#series tbody tr')].map(r => r.querySelectorAll('svg.spark').length)"
    )
    assert sparks == [0] + 11 * [1], sparks
    assert "1 Jan 2100 00:00" in text(
        page, "#tiles"
    ) and "in the future; 1 lead time to 6 h" in text(page, "#tiles")
    assert text(page, "#choose-reference option:checked") == "21 Nov 2026 00:00 UTC"


INKED = """const c = document.querySelector('#fan canvas'), b = c.getBoundingClientRect(), o = document.querySelector('#fan .u-over').getBoundingClientRect(),
    k = c.width / b.width, x = Math.round((o.left + o.width / 2 - b.left + 10) * k), y = Math.round((o.top - b.top) * k),
    h = Math.round(o.height * k), d = c.getContext('2d').getImageData(x, y, 1, h).data;
    let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n / h"""


def one_lead_time_alone_has_its_intervals_drawn(world):
    server = mock.start(answers=mock.ONE_LEAD)
    page = world.open(f"http://127.0.0.1:{server.server_address[1]}/")
    assert page.wait("document.querySelector('#fan .u-over')")
    assert page.run(INKED) > 0.6, page.run(INKED)


def a_single_verified_forecast_is_not_called_kept(world):
    server = mock.start(answers=mock.ONE_LEAD)
    page = world.open(f"http://127.0.0.1:{server.server_address[1]}/")
    tiles = text(page, "#tiles")
    assert "too few to say" in tiles and "1 forecast" in tiles and "1 forecasts" not in tiles
    assert "as promised" not in tiles and "1 series is watched: no drift found" in tiles, tiles
    assert "✓ kept" not in text(page, "#series")


def a_refusal_is_told_and_not_taken_as_emptiness(world):
    server = mock.start()
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    for status in (401, 403, 429, 503, 500):
        server.refusal = {"status": status, "detail": "reason given", "token": "let-me"}
        page = world.open(url, state="refused")
        assert "reason given" in text(page, "#outage") and page.run(
            "return document.body.classList.contains('stale')"
        )
        assert "Updated" not in text(page, "#connection")
        main = text(page, "main")
        for claim in ("Not watched", "no calibration", "No jobs", "No alarms", "Nothing yet"):
            assert claim not in main, (status, claim)
        shown = page.run("return document.querySelector('#access').checkVisibility()")
        assert shown == (status in (401, 403)), status


def a_daemon_that_wants_a_token_is_read_with_one(world):
    refusal = {"status": 401, "detail": "this needs a token", "token": TOKEN}
    server = mock.start(refusal=refusal)
    page = world.open(f"http://127.0.0.1:{server.server_address[1]}/", state="refused")
    assert "wants a token to be read" in text(page, "#outage")
    page.run("document.querySelector('#access-token').value = 'wrong'")
    page.run("document.querySelector('#access button').click()")
    assert page.wait("false", 1) or text(page, "#connection") == "Needs a token"
    page.driver.find_element("css selector", "#access-token").send_keys(TOKEN)
    page.run("document.querySelector('#access button').click()")
    assert page.wait(DRAWN) and "One alarm" in text(page, "#alarms-summary")
    assert page.run("return document.querySelector('#access').hidden")
    kept = page.run(
        "return JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), document.cookie, location.href, document.querySelector('#access-token').value])"
    )
    assert TOKEN not in kept
    server.refusal = {**refusal, "token": "another"}
    assert page.wait("document.querySelector('#connection').dataset.state === 'refused'")
    assert "may be out of date" in text(page, "#outage")


# ---- with a real daemon, in this order ----------------------------------------------------------


def what_is_not_there_yet_is_explained(world):
    page = world.open(world.daemon.url)
    assert "There is no calibration yet" in text(page, "#series")
    assert "No jobs" in text(page, "#jobs")


def fill_upload(page, name, archive, token):
    page.run("document.querySelector('#upload').open = true")
    for field, value in (("name", name), ("token", token)):
        page.run(
            "document.querySelector('#upload-' + arguments[0]).value = arguments[1]", field, value
        )
    page.driver.find_element("css selector", "#upload-file").send_keys(archive)
    page.run("document.querySelector('#upload-form button').click()")


def an_upload_without_a_token_is_refused_in_words(world):
    page = world.open(world.daemon.url)
    fill_upload(page, "shown", world.archive, "")
    assert page.wait("document.querySelector('#upload-message').innerText.includes('needs')"), text(
        page, "#upload-message"
    )


def an_upload_leads_to_a_calibration_that_is_shown(world):
    page = world.open(world.daemon.url)
    fill_upload(page, "shown", world.archive, TOKEN)
    assert page.wait("document.querySelector('#jobs .job.successful')", 300), text(page, "#jobs")
    assert page.wait("document.querySelector('#choose-calibration').innerText.includes('shown v1')")
    assert page.wait("document.querySelector('#spectrum-chart .u-over')"), text(
        page, "#calibration"
    )
    assert "Why this method:" in text(
        page, "#calibration"
    ) and "No intervals are recorded yet" in text(page, "#series")
    kept = page.run(
        "return JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), document.cookie, location.href])"
    )
    assert TOKEN not in kept


def a_daemon_that_is_gone_is_said_to_be_gone_and_comes_back(world):
    page = world.open(world.daemon.url)
    shown = text(page, "#calibration")
    port = world.daemon.url.rstrip("/").rsplit(":", 1)[1]
    world.daemon.stop()
    assert page.wait(
        "document.querySelector('#outage').innerText.includes('cannot be reached since')", 30
    )
    assert (
        page.run("return document.body.classList.contains('stale')")
        and text(page, "#calibration") == shown
    )
    assert text(page, "#connection") == "No connection"
    world.daemon.extra += ["--port", port]
    world.daemon.start()
    assert page.wait(DRAWN + " && document.querySelector('#outage').hidden", 30)
    assert not page.run("return document.body.classList.contains('stale')")


TESTS = [
    it_loads_without_a_complaint,
    it_asks_nobody_else,
    what_is_inline_does_not_run,
    what_did_not_change_is_not_sent_again,
    functions_of_numbers_and_times_hold,
    colours_of_the_scale_are_in_order_of_lightness,
    landmarks_and_headings_are_there,
    everything_that_takes_focus_has_a_name,
    tab_reaches_every_control_and_shows_where_it_is,
    the_skip_link_leads_to_the_forecasts,
    it_fits_a_phone,
    it_fits_a_wall_without_scrolling,
    text_has_contrast_in_light_and_dark,
    dark_is_taken_from_the_system_and_from_the_button,
    nothing_moves_for_who_wants_rest,
    alarms_come_first,
    widths_stand_against_their_history,
    a_lead_time_can_be_chosen_everywhere,
    the_fan_is_read_by_keys_and_as_a_table,
    the_map_is_read_by_keys_and_as_a_table,
    one_forecast_ahead_does_not_hide_the_others,
    one_lead_time_alone_has_its_intervals_drawn,
    a_single_verified_forecast_is_not_called_kept,
    a_refusal_is_told_and_not_taken_as_emptiness,
    a_daemon_that_wants_a_token_is_read_with_one,
    what_is_not_there_yet_is_explained,
    an_upload_without_a_token_is_refused_in_words,
    an_upload_leads_to_a_calibration_that_is_shown,
    a_daemon_that_is_gone_is_said_to_be_gone_and_comes_back,
]


def main(wanted):
    missing = browser.is_missing()
    if missing:
        print(
            f"the page's tests are skipped: {missing} is missing\n100%: Checks: 0, Failures: 0, Errors: 0"
        )
        return 0
    tests = [test for test in TESTS if not wanted or test.__name__ in wanted]
    world = World()
    try:
        world.archive = world.daemon.simulate("--samples", 60, "--features", 24)
        return checks.report(tests, world)
    finally:
        world.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
