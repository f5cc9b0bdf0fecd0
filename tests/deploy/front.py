"""What a provider has before several edges."""

from __future__ import annotations

import http.client
import threading


class Front(threading.Thread):
    """What a provider has before several edges: it asks each once a second and sends new visitors to those that are well.

    An edge is out after two wrong answers and in again after two right ones, as load balancers usually have it.
    `with Front(addresses) as front: …`; `front.well` are the addresses in service.
    """

    ASK, WRONG, RIGHT = 1.0, 2, 2

    def __init__(self, addresses: list[str]) -> None:
        super().__init__(daemon=True)
        self.addresses, self.well = addresses, list(addresses)
        self._row = dict.fromkeys(addresses, 0)
        """How often in a row the last answer came: positive for right ones, negative for wrong ones."""
        self._ending = threading.Event()
        self._turn = 0
        self.history: list[list[str]] = [self.well]
        """What was well, each time that it changed."""

    def __enter__(self) -> Front:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self.join()

    def run(self) -> None:
        """Ask until the end, all edges at once: one that is silent holds up nobody else."""
        while not self._ending.wait(self.ASK):
            asking = [threading.Thread(target=self._ask, args=(address,)) for address in self.addresses]
            for thread in asking:
                thread.start()
            for thread in asking:
                thread.join()
            self.well = [
                address
                for address in self.addresses
                if self._row[address] > -self.WRONG
                and (address in self.well or self._row[address] >= self.RIGHT)
            ]
            if self.well != self.history[-1]:
                self.history.append(self.well)

    def _ask(self, address: str) -> None:
        right, row = healthy(address), self._row[address]
        self._row[address] = (max(row, 0) + 1) if right else (min(row, 0) - 1)

    def choose(self) -> str:
        """Where the next connection goes; where nothing is well, anywhere."""
        self._turn += 1
        chosen = self.well or self.addresses
        return chosen[self._turn % len(chosen)]


def healthy(address: str) -> bool:
    """Whether the edge at ADDRESS says that it serves."""
    connection = http.client.HTTPConnection(address, 80, timeout=1)
    try:
        connection.request("GET", "/-/edge")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
