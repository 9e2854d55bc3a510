"""The line icons of the pages, drawn for this project: 24 units square, stroked in the text's colour."""

from __future__ import annotations

__all__ = ["ICONS"]

CIRCLE = '<circle cx="12" cy="12" r="9"/>'

ICONS = {
    "clock": CIRCLE + '<path d="M12 7v5l3.5 2"/>',
    "dots": CIRCLE + '<path d="M8 12h.01M12 12h.01M16 12h.01" stroke-width="2.6"/>',
    "tick": CIRCLE + '<path d="m8 12.4 2.8 2.8L16 9.6"/>',
    "tick-clock": '<path d="M20.5 10A9 9 0 1 0 11 21"/><path d="m7.6 11.6 2.6 2.6 5-5.4"/>'
    '<circle cx="18" cy="17.5" r="4"/><path d="M18 15.6v2l1.3.8"/>',
    "eye": '<path d="M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12Z"/>'
    '<circle cx="12" cy="12" r="3"/>',
    "hourglass": '<path d="M7 3h10M7 21h10M8 3v3.5L12 12l4-5.5V3M8 21v-3.5L12 12l4 5.5V21"/>',
    "cross": CIRCLE + '<path d="m9 9 6 6m0-6-6 6"/>',
    "minus": CIRCLE + '<path d="M8 12h8"/>',
    "alert": '<path d="M12 3.5 2.5 20h19L12 3.5Z"/><path d="M12 10v4.5M12 17.3h.01"/>',
    "info": CIRCLE + '<path d="M12 11v5.5M12 7.6h.01"/>',
    "phone": '<rect x="7" y="2.5" width="10" height="19" rx="2.2"/><path d="M11 18.5h2"/>',
    "save": '<path d="M12 3.5v11m0 0 4-4m-4 4-4-4"/>'
    '<path d="M4.5 16.5v2.6a1.4 1.4 0 0 0 1.4 1.4h12.2a1.4 1.4 0 0 0 1.4-1.4v-2.6"/>',
    "zoom": '<path d="M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5"/>',
    "copy": '<rect x="8.5" y="8.5" width="11.5" height="11.5" rx="2"/>'
    '<path d="M5.5 15.5A1.5 1.5 0 0 1 4 14V5.5'
    'A1.5 1.5 0 0 1 5.5 4H14a1.5 1.5 0 0 1 1.5 1.5"/>',
    "plus": '<path d="M12 5v14M5 12h14"/>',
    "wallet": '<path d="M4 7.5A2.5 2.5 0 0 1 6.5 5H17v3.5"/>'
    '<rect x="4" y="8" width="16.5" height="11.5" rx="2"/>'
    '<path d="M16.3 13.8h.01" stroke-width="2.6"/>',
    "receipt": '<path d="M6 3.5h12v17l-2.4-1.6-2.4 1.6-2.4-1.6-2.4 1.6L6 20.5v-17ZM9 8h6M9 12h6"/>',
    "print": '<path d="M7 9V3.5h10V9M7 17H4.5v-6.5a1.5 1.5 0 0 1 1.5-1.5h12a1.5 1.5 0 0 1 1.5 1.5V17H17"/>'
    '<path d="M7 14h10v6.5H7z"/>',
    "share": '<path d="M12 14.5v-11m0 0-4 4m4-4 4 4M6 12H5v8.5h14V12h-1"/>',
    "refresh": '<path d="M19.5 12a7.5 7.5 0 1 1-2.2-5.3L19.5 9M19.5 4v5h-5"/>',
    "wifi-off": '<path d="m3 3 18 18M5 12.5a10 10 0 0 1 4.2-2.3M14.6 10.1a10 10 0 0 1 4.4 2.4M8.3 16'
    "a5 5 0 0 1 7.4 0M12 19.5h.01M2 9a15 15 0 0 1 4-2.5M10.6 5.1A15 15 0 0 1 22 9"
    '"/>',
    "lock": '<rect x="5" y="10.5" width="14" height="10" rx="2"/><path d="M8 10.5V8a4 4 0 0 1 8 0v2.5"/>',
    "user": '<circle cx="12" cy="8" r="4"/><path d="M4.5 20.5a7.5 7.5 0 0 1 15 0"/>',
    "out": '<path d="M14 4.5H6A1.5 1.5 0 0 0 4.5 6v12A1.5 1.5 0 0 0 6 19.5h8"/>'
    '<path d="M10 12h10.5m0 0-3.5-3.5m3.5 3.5-3.5 3.5"/>',
    "home": '<path d="M4 11 12 4l8 7M6 9.5V20h4.5v-5.5h3V20H18V9.5"/>',
}
