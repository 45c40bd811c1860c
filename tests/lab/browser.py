"""A real browser without a window: what it makes of a page, and what that looks like."""

import re
import struct
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from html import escape, unescape
from pathlib import Path

from lab import debs
from lab.process import run

PACKAGE = "chromium-headless-shell"
DARK = "--blink-settings=preferredColorScheme=0"

Colour = tuple[int, ...]


def dom(page: Path) -> str:
    """Return the document as the browser holds it after loading, as HTML."""
    return _browse(page, "--dump-dom")


def overflowing(page: Path, width: int) -> list[str]:
    """Return what of the page sticks out to the right of a window that is so many CSS pixels wide."""
    measured = f"""<!DOCTYPE html><iframe id="page" width="{width}" height="4000" frameborder="0"
    srcdoc="{escape(page.read_text())}"></iframe><pre id="out"></pre><script>
    document.getElementById("page").onload = event => {{
      const inside = event.target.contentDocument;
      const hidden = one => one.closest("thead") && getComputedStyle(one.closest("thead")).clipPath != "none";
      const wide = [...inside.querySelectorAll("body *")].filter(one => !hidden(one)).filter(
        one => one.getBoundingClientRect().right > {width} + 0.5 || one.scrollWidth > one.clientWidth + 1 &&
          getComputedStyle(one).display != "inline");
      const said = wide.map(one => one.tagName + " " + one.className + " " + one.textContent.slice(0, 40));
      if (inside.documentElement.scrollWidth > {width}) said.push("the page itself");
      document.getElementById("out").textContent = ["measured", ...said].join("\\n");
    }}</script>"""
    with tempfile.TemporaryDirectory() as scratch:
        frame = Path(scratch, "frame.html")
        frame.write_text(measured)
        found = re.search(r'<pre id="out">(.*?)</pre>', dom(frame), re.DOTALL)
    assert found, "the browser has not measured"
    lines = unescape(found[1]).split("\n")
    assert lines[0] == "measured"
    return lines[1:]


def colours(page: Path, *options: str) -> Counter[Colour]:
    """Return how many pixels of the page, at half its size, have which colour."""
    with tempfile.TemporaryDirectory() as scratch:
        picture = Path(scratch, "page.png")
        size = ("--window-size=1000,1200", "--force-device-scale-factor=0.5")
        _browse(page, f"--screenshot={picture}", *size, *options)
        return Counter(_pixels(picture.read_bytes()))


def _browse(page: Path, *options: str) -> str:
    tree = debs.unpacked(PACKAGE)
    path = debs.library_path(tree, "pulseaudio")
    browser = tree / "usr/lib/chromium/chromium-headless-shell"
    with tempfile.TemporaryDirectory() as home:
        common = ("--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={home}")
        return run(("env", path, str(browser), *common, *options, page.as_uri()), cwd=home)


def _pixels(png: bytes) -> Iterator[Colour]:
    """Yield the pixels of a picture of eight bits a channel, not interlaced (RFC 2083)."""
    width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
    size = {2: 3, 6: 4}[kind]
    assert depth == 8
    rows = zlib.decompress(b"".join(_data(png)))
    before = bytes(width * size)
    for number in range(height):
        start = number * (width * size + 1)
        before = _unfiltered(rows[start], bytearray(rows[start + 1 : start + 1 + width * size]), before, size)
        channels = [before[channel::size] for channel in range(3)]
        yield from zip(*channels, strict=True)


def _data(png: bytes) -> Iterator[bytes]:
    at = 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        if png[at + 4 : at + 8] == b"IDAT":
            yield png[at + 8 : at + 8 + length]
        at += 12 + length


def _unfiltered(kind: int, row: bytearray, above: bytes, size: int) -> bytes:
    if kind == 0:
        return bytes(row)
    for at in range(len(row)):
        left = row[at - size] if at >= size else 0
        corner = above[at - size] if at >= size else 0
        row[at] = (row[at] + _predicted(kind, left, above[at], corner)) & 0xFF
    return bytes(row)


def _predicted(kind: int, left: int, up: int, corner: int) -> int:
    if kind == 4:
        guess = left + up - corner
        return min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[
            2
        ]
    return {1: left, 2: up, 3: (left + up) // 2}[kind]
