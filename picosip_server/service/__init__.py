"""The gRPC side: requests become engine commands, engine events become event streams."""
