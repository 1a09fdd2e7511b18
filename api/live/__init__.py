"""Live delivery: what a follower sees. It reads Redis and, for what Redis no longer holds, a `History`; never SQL.

`hub` receives, `subscription` buffers, `merge` decides (pure), `reader` replays, `session` puts them together.
"""
