"""How much one client may ask: a token bucket for each holder of keys and sessions; for the public, address.

Buckets are this process's own. Where several servers share the work, each allows as much.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

BURST_S = 10.0  # so many seconds' worth may come at once
KEPT = 20_000
# keys that nobody has, from one address
WRONG_A_SECOND = 0.5
WRONG_AT_ONCE = 30.0


@dataclass
class _Bucket:
    left: float
    at: float


class Buckets:
    """Token buckets: each fills at `rate` a second up to `most`, and asking takes one out."""

    def __init__(
        self, rate: float, most: float, *, clock: Callable[[], float] = time.monotonic, kept: int = KEPT
    ) -> None:
        self.rate, self.most, self.clock, self.kept = rate, most, clock, kept
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait(self, who: str) -> float:
        """Seconds until the bucket holds one; 0 where it does."""
        with self._lock:
            bucket = self._buckets.get(who)
            return 0.0 if bucket is None else max(0.0, (1.0 - self._filled(bucket)) / self.rate)

    def take(self, who: str) -> float:
        """Take one out: 0 if there was one, else the seconds until there is."""
        with self._lock:
            bucket = self._buckets.setdefault(who, _Bucket(self.most, self.clock()))
            self._buckets.move_to_end(who)
            # those not asked of for longest are full again, or soon
            while len(self._buckets) > self.kept:
                self._buckets.popitem(last=False)
            if self._filled(bucket) < 1.0:
                return (1.0 - bucket.left) / self.rate
            bucket.left -= 1.0
            return 0.0

    def _filled(self, bucket: _Bucket) -> float:
        now = self.clock()
        bucket.left = min(self.most, bucket.left + (now - bucket.at) * self.rate)
        bucket.at = now
        return bucket.left


class Recent:
    """The latest of what was noted, so many of them."""

    def __init__(self, kept: int = KEPT) -> None:
        self.kept = kept
        self._noted: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, one: str) -> bool:
        return one in self._noted

    def note(self, one: str) -> None:
        """Remember it, as the latest."""
        with self._lock:
            self._noted[one] = None
            self._noted.move_to_end(one)
            while len(self._noted) > self.kept:
                self._noted.popitem(last=False)

    def forget(self, one: str) -> None:
        """Remember it no more."""
        with self._lock:
            self._noted.pop(one, None)


class Limits:
    """What one client may ask of this process. rate: requests a second that may last; 0: any number."""

    def __init__(self, rate: float = 0.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self._asked = Buckets(rate, rate * BURST_S, clock=clock) if rate else None
        self._wrong = Buckets(WRONG_A_SECOND, WRONG_AT_ONCE, clock=clock) if rate else None
        self._good, self._bad = Recent(), Recent()

    def ask(self, who: str) -> float:
        """One request of `who` (`holder_of`, `address_of`): 0 if it may, else after how many seconds."""
        return self._asked.take(who) if self._asked is not None else 0.0

    def try_key(self, key: str, address: str) -> float:
        """Whether a key or a cookie may be looked up: one that was good a while ago may, others unless too
        many from that address were wrong. As `ask`.
        """
        return 0.0 if self._wrong is None or key in self._good else self._wrong.wait(address)

    def note_good(self, key: str) -> None:
        """This key is somebody's."""
        if self._wrong is not None:
            self._good.note(key)

    def note_wrong(self, key: str, address: str) -> None:
        """This key, from this address, is nobody's, or nobody's any more."""
        if self._wrong is not None:
            self._good.forget(key)
            self._bad.note(key)
            self._wrong.take(address)

    def is_wrong(self, key: str) -> bool:
        """Whether the key was nobody's not long ago. Of one that the service makes itself, it stays so."""
        return key in self._bad


def key_of(secret: str) -> str:
    """What stands for a key or a session: a digest, so that no secret is kept."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def holder_of(holder: str, role: str, subject: str, secret: str) -> str:
    """The bucket of whoever holds a key or a session: however many they hold, it is one.

    holder: as the principal says; without, role and name of who was invited, else the session itself.
    """
    return holder or (f"link {role} {subject}" if subject else key_of(secret))


def address_of(host: str | None) -> str:
    """The bucket of an address; one network of IPv6 is one client."""
    try:
        address = ip_address(host or "")
    except ValueError:
        return (host or "nowhere")[:64]  # names come from proxies
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return address.exploded[:19]
    return str(address)
