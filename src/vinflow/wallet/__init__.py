"""The ledger: double-entry, append-only, guarded by the database itself. It knows nothing of payments."""
