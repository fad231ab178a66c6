"""Between the API's messages and the engine's values: all of it is here and nowhere else."""
