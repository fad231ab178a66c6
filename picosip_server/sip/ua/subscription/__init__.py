"""Event subscriptions: RFC 6665."""
