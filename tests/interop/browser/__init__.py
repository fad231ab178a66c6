"""SIP.js under Node: what a browser would say, without its media."""
