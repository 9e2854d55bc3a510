"""Statements of the bank: read from CSV, stored line by line, matched with what was booked.

errors.py     why a file is refused, in words
cells.py      one cell -> amount, moment, currency; Khmer digits, thousand marks, both date orders
columns.py    which column holds what: named by a saved map, guessed from headings
reading.py    bytes -> lines, or refused with the reason           plain Python, like the three above
pairing.py    which line is which transfer, each used once         plain Python
importing.py  preview, store, match; what nobody knows goes to suspense
settling.py   a line of suspense becomes a transfer's, goes back, or is written off
"""
