"""Who is kept out, and what is refused before it costs much."""
