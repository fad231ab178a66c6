"""Applications that drive the contenders, each a process of its own."""
