"""Registrations: RFC 3261 section 10.2, RFC 3327, RFC 3608, RFC 5626, RFC 5627."""
