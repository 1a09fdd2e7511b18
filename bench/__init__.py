"""Measures the event-driven system and the polling baseline from outside, over HTTP and WebSocket.

`python -m bench compare` runs the same task on both and has each followed by as many clients. `python -m bench latency`
and `python -m bench followers` load the event-driven system alone, to plan its capacity.

What is measured is what a client sees and what the operating system counts. Of the code of the services nothing is used
but the form of an event.
"""
