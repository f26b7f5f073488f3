"""What every destination of the log has in common: how much may wait and for how long, and a sender with patience."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Generic, TypeVar

from daskfleet_images.node.errors import NotYet
from daskfleet_images.node.patience import grow_pauses
from daskfleet_images.node.remedies import Remedies

logger = logging.getLogger("daskfleet.node")

SEND_SECONDS = 2
"""How long lines are gathered before they are sent. A thousand machines that all have something to say make 500
requests a second; a region takes thousands."""

CLOSE_SECONDS = 5
"""How long the end may take; nobody who stops a node waits longer for a service that does not answer."""

MOST_WAITING = 1000
MOST_BYTES = 16 * 1024
"""Of one line. So at worst, with a service that does not answer, 32 MiB wait: as many again are in a batch."""

MANY_ATTEMPTS = 5
"""After which it is told that the service asks for less: while hundreds of machines start, it is bound to."""

Batch = TypeVar("Batch")


class Sender(ABC, Generic[Batch]):
    """Sends batches, one after another, from a thread of its own: it gives up on nothing while there is time."""

    def __init__(self, place: str, remedies: Remedies, *, busy: Collection[str], hopeless: Collection[str]) -> None:
        """What failures mean, by their kind.

        Args:
            busy: the service asks for less; that is told only when it goes on.
            hopeless: these lines would never be taken, and all after them wait.
        """
        self._place = place
        self._remedies = remedies
        self._busy = busy
        self._hopeless = hopeless
        self._hurry = threading.Event()
        self._told: set[str] = set()
        self.lost = 0
        """Lines that found no room."""

    @abstractmethod
    def put(self, batch: Batch) -> None:
        """Send a batch, tried once.

        Raises:
            NotYet: it is not taken now.
        """

    def send(self, batch: Batch) -> None:
        """Send a batch, with growing pauses until it is taken; once more at most when there is no time any more."""
        for attempt, pause in enumerate(grow_pauses()):
            is_last = self._hurry.is_set()
            try:
                self.put(batch)
            except NotYet as failure:
                if failure.kind not in self._busy or attempt >= MANY_ATTEMPTS:
                    self.tell(failure)
                if is_last or failure.kind in self._hopeless:
                    break
            except Exception as error:  # Whatever a library raises, the node must not hear of it.
                self.tell(self._remedies.wrong_document(error))
                if is_last:
                    break
            else:
                lost, self.lost = self.lost, 0
                if lost:
                    logger.warning("%d lines of the log were not sent: too many waited; the journal has them", lost)
                break
            self._hurry.wait(pause)

    def hurry(self) -> None:
        """From now on there is no time for pauses."""
        self._hurry.set()

    def tell(self, failure: NotYet) -> None:
        """Say what is wrong, each kind once: the line itself is one more for the log."""
        if failure.kind not in self._told:
            self._told.add(failure.kind)
            logger.warning("the log cannot be sent to %s: %s; %s", self._place, failure.reason, failure.remedy)
