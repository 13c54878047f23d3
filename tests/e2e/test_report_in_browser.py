"""The HTML report in a real browser: it opens, sends nothing, runs nothing, looks as it should, and prints whole on A4."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from limits import extend
from loopback import always, http_answer, loopback
from png import coarse_picture, picture_difference
from report_samples import HOSTILE_NOTE, charts, long_report, report

from console.incidents.postmortem_html import as_html

BROWSER = shutil.which("chromium-headless-shell") or shutil.which("chromium")
PICTURE = Path(__file__).with_name("report_picture.txt")
"""The page of `report_samples`, 40 by 48 cells; written anew by REPORT_PICTURE=write."""
ROWS = 120
FONTS = Path("/usr/share/fonts/truetype/dejavu")
"""The only fonts that the browser sees: with others every line would be elsewhere."""

pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine"),
    pytest.mark.skipif(shutil.which("pdftotext") is None, reason="no pdftotext on this machine"),
    pytest.mark.skipif(not FONTS.is_dir(), reason="no DejaVu fonts on this machine"),
]


def browse(page: Path, proxy: int, *options: str) -> str:
    """Opens a page in a browser whose every request goes to this port; returns what it prints."""
    assert BROWSER is not None
    profile, fonts = page.parent / "profile", page.parent / "fonts.conf"
    fonts.write_text(f"<fontconfig><dir>{FONTS}</dir><cachedir>{page.parent}</cachedir></fontconfig>", encoding="utf-8")
    command = [BROWSER, "--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run", f"--user-data-dir={profile}"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"]
    command += [f"--proxy-server=http://127.0.0.1:{proxy}", "--proxy-bypass-list=<-loopback>"]
    command += ["--no-sandbox"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*command, *options, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=extend(60),
        check=True,
        env={**os.environ, "TZ": "UTC", "FONTCONFIG_FILE": str(fonts)},
    )
    return done.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("utc")
async def test_the_report_opens_sends_nothing_and_prints_whole(tmp_path: Path) -> None:
    """With a page that does load and run something as the counter-proof: that one's request and script are seen."""
    made = long_report(ROWS)
    drawn = charts()
    async with loopback(always(http_answer("404 Not Found", b"", "text/plain"))) as trap:

        async def open_page(html: str, *options: str) -> str:
            page = tmp_path / "report.html"
            page.write_text(html, encoding="utf-8")
            return await asyncio.to_thread(browse, page, trap.port, *options)

        bad = '<body><img src="http://elsewhere.test/x.png"><script>document.body.append("it " + "ran")</script></body>'
        assert "it ran" in await open_page(bad, "--dump-dom")
        assert any(b"elsewhere.test" in head for head in trap.requests)
        trap.requests.clear()
        connections = trap.connections

        html = as_html(report(charts=drawn))
        dom = await open_page(html, "--dump-dom")
        assert "<script" not in dom and "<img" not in dom and dom.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 5
        assert dom.count("<svg") == 2 and dom.count("<tr>") == html.count("<tr>")

        shot = tmp_path / "report.png"
        await open_page(html, f"--screenshot={shot}", "--window-size=1000,1600", "--force-device-scale-factor=0.4")
        picture = coarse_picture(shot.read_bytes(), columns=40, rows=48)
        if os.environ.get("REPORT_PICTURE") == "write":
            PICTURE.write_text("\n".join(picture) + "\n", encoding="utf-8")
        expected = PICTURE.read_text(encoding="utf-8").split()
        assert picture_difference(picture, expected) < 0.15, "\n".join(picture)

        printed = tmp_path / "report.pdf"
        await open_page(as_html(report(made.incident, charts=drawn)), f"--print-to-pdf={printed}", "--no-pdf-header-footer")
        assert trap.requests == [] and trap.connections == connections
    text = await asyncio.to_thread(subprocess.check_output, ["pdftotext", str(printed), "-"], text=True)
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed.read_bytes())
    assert len(boxes) > 3 and all((round(float(width)), round(float(height))) == (595, 842) for width, height in boxes)
    assert all(re.search(rf"\bentry {number}\b", text) for number in range(ROWS))
    unwrapped, note = "".join(text.split()), "".join(HOSTILE_NOTE.split())
    assert note in unwrapped and note[:20] not in unwrapped.replace(note, "")
    assert "The last 30 days" in text and "Error ratio" in text
