"""HTTP, SSE and WebSocket: thin. What a request means is decided in dispatch, live and projection."""
