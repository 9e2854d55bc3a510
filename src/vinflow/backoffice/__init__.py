"""The staff's pages under /admin/: settings, transactions, the review desk, figures, the books.

Every view asks one right of its table (rights.py), makes one call into payments or wallet, and
translates out. Nothing here moves money by itself: decisions go through payments.reviewing, changed
settings through payments.settings_store.

The frame, the colours and the icons are the payer's pages' own, taken by template and by static file,
so that both sides of the counter look alike; no code is shared between the two.
"""
