"""From landing/ to the raw tables, users and tracks; the ledger notes every change."""
