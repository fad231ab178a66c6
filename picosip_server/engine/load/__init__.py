"""Load made inside the engine: scripts run by drivers that hear their own calls directly."""
