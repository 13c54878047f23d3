"""A PNG as a coarse picture: enough to see that two renderings show the same page, and not which fonts they have."""

from __future__ import annotations

import struct
import zlib


def coarse_picture(png: bytes, *, columns: int, rows: int) -> list[str]:
    """The mean darkness of each cell of a grid, one hexadecimal digit each: `0` white, `f` black.

    Reads 8-bit RGB and RGBA without interlacing, as browsers write it.
    """
    width, height, channels, lines = _decode(png)
    picture = []
    for row in range(rows):
        top, bottom = row * height // rows, (row + 1) * height // rows
        cells = []
        for column in range(columns):
            left, right = column * width // columns, (column + 1) * width // columns
            values = b"".join(lines[y][left * channels : right * channels] for y in range(top, bottom))
            colours = [values[at::channels] for at in range(3)]
            mean = sum(map(sum, colours)) / (3 * max(1, len(colours[0])))
            cells.append(f"{round(15 * (1 - mean / 255)):x}")
        picture.append("".join(cells))
    return picture


def picture_difference(one: list[str], other: list[str]) -> float:
    """The share of the ink of two pictures of one size that is not in the same cell: 0 if they are equal, 1 if one is blank."""
    pairs = [(int(a, 16), int(b, 16)) for row, line in zip(one, other, strict=True) for a, b in zip(row, line, strict=True)]
    return sum(abs(a - b) for a, b in pairs) / max(1, sum(a + b for a, b in pairs))


def _decode(png: bytes) -> tuple[int, int, int, list[bytes]]:
    at, packed, width, height, channels = 8, b"", 0, 0, 0
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colours, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            assert (depth, interlaced) == (8, 0) and colours in (2, 6)
            channels = 3 if colours == 2 else 4
        elif kind == b"IDAT":
            packed += body
        at += 12 + length
    data, lines = zlib.decompress(packed), []
    size = width * channels
    above = bytes(size)
    for row in range(height):
        start = row * (size + 1)
        above = _unfilter(data[start], bytearray(data[start + 1 : start + 1 + size]), above, channels)
        lines.append(above)
    return width, height, channels, lines


def _unfilter(kind: int, line: bytearray, above: bytes, channels: int) -> bytes:
    """One line of pixels; the five filters of the PNG specification, section 9.2."""
    for at in range(len(line) if kind else 0):
        left = line[at - channels] if at >= channels else 0
        corner = above[at - channels] if at >= channels else 0
        if kind == 1:
            guess = left
        elif kind == 2:
            guess = above[at]
        elif kind == 3:
            guess = (left + above[at]) // 2
        else:
            estimate = left + above[at] - corner
            guess = min((left, above[at], corner), key=lambda value: abs(estimate - value))
        line[at] = (line[at] + guess) & 255
    return bytes(line)
