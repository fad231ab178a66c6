"""INVITE sessions: RFC 3261 sections 13 to 15, RFC 3262."""
