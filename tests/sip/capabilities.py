"""What the user agent says of itself, in the one place that a new method or extension changes."""

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, MESSAGE, REFER, SUBSCRIBE, NOTIFY"
SUPPORTED = "100rel, timer, 199, replaces, norefersub"
WITHOUT_100REL = "timer, 199, replaces, norefersub"
