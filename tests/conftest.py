"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes says nothing here: the machine may be busy with something else.
settings.register_profile("picosip", deadline=None)
settings.load_profile("picosip")
