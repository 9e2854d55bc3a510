"""Cut a text into QR segments so that it takes the fewest bits.

A QR symbol can switch between digits (10 bits for three), capitals and a few signs (11 bits for
two) and bytes (8 bits each), at the price of a header for every switch. KHQR text is mostly
digits, so a good cut saves two versions at level H against bytes alone. Headers grow at versions
10 and 27; the best cut is found for each of the three ranges.
Source: ISO/IEC 18004:2015, 7.4 and annex J; an exact search here in place of the annex's rules of thumb.
"""

from __future__ import annotations

__all__ = ["ALPHANUMERIC", "BYTE", "NUMERIC", "RANGES", "Segment", "bits_of", "cut"]

Segment = tuple[str, str]  # (text, mode), the mode named as segno names it

NUMERIC, ALPHANUMERIC, BYTE = MODES = ("numeric", "alphanumeric", "byte")

# Bits of mode indicator and character count, by the last version of each range.
HEADER_BITS: dict[int, tuple[int, int, int]] = {
    9: (4 + 10, 4 + 9, 4 + 8),
    26: (4 + 12, 4 + 11, 4 + 16),
    40: (4 + 14, 4 + 13, 4 + 16),
}
RANGES = tuple(HEADER_BITS)
DIGITS = frozenset("0123456789")
CAPITALS = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")

SIXTH = 6  # costs in sixths of a bit: a third of ten bits and half of eleven stay whole numbers
NEVER = 1 << 40


def cut(text: str, version_max: int) -> list[Segment]:
    """Return the segments of a text that take the fewest bits in versions up to version_max.

    version_max: 9, 26 or 40, the last version of a range of header sizes.
    Two neighbours never share a mode. Bytes are UTF-8. Time is linear in the text.

    >>> cut("63041234", 9)
    [('63041234', 'numeric')]
    """
    headers = [bits * SIXTH for bits in HEADER_BITS[version_max]]
    # costs[m]: the least that the text so far can cost when its last letter is in mode m.
    costs = [0, 0, 0]
    origins: list[tuple[int, int, int]] = []  # from which mode the letter before came, for each mode
    for letter in text:
        steps = (
            20 if letter in DIGITS else NEVER,
            33 if letter in CAPITALS else NEVER,
            8 * SIXTH * len(letter.encode()),
        )
        # Leaving a segment rounds its bits up; entering one pays its header.
        leaving = [cost + -cost % SIXTH for cost in costs]
        came, spent = [0, 0, 0], [0, 0, 0]
        for mode in range(3):
            best, origin = (NEVER, mode) if not origins else (costs[mode], mode)
            for other in range(3):
                switched = leaving[other] + headers[mode]
                if (other != mode or not origins) and switched < best:
                    best, origin = switched, other
            came[mode], spent[mode] = origin, min(best + steps[mode], NEVER)
        costs = spent
        origins.append((came[0], came[1], came[2]))

    mode = min(range(3), key=lambda m: costs[m] + -costs[m] % SIXTH)
    modes: list[int] = []
    for came_from in reversed(origins):
        modes.append(mode)
        mode = came_from[mode]
    segments: list[Segment] = []
    start = 0
    modes.reverse()
    for end in range(1, len(modes) + 1):
        if end == len(modes) or modes[end] != modes[start]:
            segments.append((text[start:end], MODES[modes[start]]))
            start = end
    return segments


def bits_of(segments: list[Segment], version_max: int) -> int:
    """Return how many bits segments take in versions of that range, headers included."""
    total = 0
    for text, mode in segments:
        size = len(text)
        total += HEADER_BITS[version_max][MODES.index(mode)]
        if mode == NUMERIC:
            total += 10 * (size // 3) + (0, 4, 7)[size % 3]
        elif mode == ALPHANUMERIC:
            total += 11 * (size // 2) + 6 * (size % 2)
        else:
            total += 8 * len(text.encode())
    return total
