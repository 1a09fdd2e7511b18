"""The HTTP and WebSocket service: takes tasks, follows them live, and projects their events into PostgreSQL."""
