"""UDP and TCP over the system's sockets: RFC 3261 section 18."""
