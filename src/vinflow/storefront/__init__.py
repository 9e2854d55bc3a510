"""The payer's pages: add funds, checkout, wallet, receipt, in English and Khmer.

Every view translates a request in, makes one call into payments or wallet, and translates out.
"""
