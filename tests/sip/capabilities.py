"""What the user agent says of itself, in the one place that a new method or extension changes."""

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, MESSAGE"
SUPPORTED = "100rel, timer, 199"
WITHOUT_100REL = "timer, 199"
