"""The four transaction machines: RFC 3261 section 17 as amended by RFC 6026."""
