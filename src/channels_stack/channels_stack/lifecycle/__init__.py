"""From the checks at startup to the drain: what begins and ends a process, a websocket, a sign-in."""
