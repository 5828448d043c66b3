"""The faults that the emulator can show: their names, and when each comes. Standard library only."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import nan
from random import Random

# Forms of Retry-After, the documented ones and those met in the wild; each is a fault "submit-429-NAME".
RETRY_FORMS = {
    "seconds": "2",
    "date": "an HTTP date 2 s ahead",
    "rfc850": "the same in RFC 850 form",
    "asctime": "the same in asctime form",
    "past": "an HTTP date gone by",
    "zero": "0",
    "fraction": "1.5",
    "negative": "-5",
    "empty": "nothing",
    "word": "soon",
    "iso": "an ISO 8601 date 2 s ahead",
    "huge": "99999999999",
    "digits": "２ (full-width digit)",
}

_SUBMIT = {
    "submit-lost": "accepts, then closes the connection without an answer",
    "submit-reset": "accepts, then resets the connection (RST)",
    "submit-hang": "accepts, then never answers",
    "submit-cut": "accepts, then cuts the answer's body",
    "submit-empty": "accepts, then answers 200 with an empty body",
    "submit-html": "accepts, then answers 200 with HTML",
    "submit-no-taskid": "accepts, then answers code 200 without a taskId",
    "submit-accepted-500": "accepts, then answers 500 with an envelope",
    "submit-accepted-403": "accepts, then answers 403 with a firewall's HTML",
    "submit-accepted-502": "accepts, then answers 502 with a gateway's HTML",
    "submit-accepted-503": "accepts, then answers 503 with a gateway's HTML",
    "submit-accepted-504": "accepts, then answers 504 with a gateway's HTML",
    "submit-slow": "accepts, then answers 10 s / speed later",
    "submit-idle-close": "accepts and answers, then closes a connection that it called alive",
    "submit-dropped": "closes the connection, accepts nothing",
    "submit-500": "answers 500 with an envelope, accepts nothing",
    "submit-502": "answers 502 with a gateway's HTML, accepts nothing",
    "submit-503": "answers 503 with an envelope, accepts nothing",
    "submit-504": "answers 504 with a gateway's HTML, accepts nothing",
    "submit-400-cut": "answers 400 and cuts the body, accepts nothing",
    "submit-401": "answers 401, accepts nothing",
    "submit-403-html": "answers 403 with a firewall's HTML, accepts nothing",
    "submit-404-html": "answers 404 with a load balancer's HTML, accepts nothing",
    "submit-429": "answers 429 without Retry-After, accepts nothing",
    "submit-429-body": "answers HTTP 200 with code 429, accepts nothing",
    "submit-429-html": "answers 429 with HTML, accepts nothing",
    **{f"submit-429-{name}": f"answers 429, Retry-After: {text}" for name, text in RETRY_FORMS.items()},
    **{
        f"submit-redirect-{code}": f"redirects to itself with {code}; accepts what follows"
        for code in (301, 302, 303, 307, 308)
    },
    "submit-redirect-elsewhere": "redirects with 307 to another host",
}
_STATUS = {
    "status-401": "answers 401",
    "status-403-html": "answers 403 with a firewall's HTML",
    "status-500": "answers 500 with an envelope",
    "status-502": "answers 502 with a gateway's HTML",
    "status-404": "says that the task is unknown",
    "status-unknown-at-first": "says so for the first 3 questions about a task, then answers",
    "status-429": "answers 429 with Retry-After: 1",
    "status-close": "closes the connection without an answer",
    "status-html": "answers 200 with HTML",
    "status-garbage": "answers 200 with JSON that breaks off",
    "status-unknown-state": "says that the state is queued, which is not documented",
    "status-late": "says processing of a task that has ended",
    "status-no-result": "leaves resultJson out of a success",
    "status-invalid-result": "gives a resultJson that is not JSON",
    "status-object-result": "gives resultJson as an object, not as a string",
    "status-zero-urls": "gives a resultJson without any link",
    "status-rotate": "gives new links, and those given before answer 403",
}
_FILE = {
    "file-403": "answers 403",
    "file-404": "answers 404",
    "file-410": "answers 410",
    "file-500": "answers 500",
    "file-reset": "resets the connection in the middle",
    "file-cut": "closes in the middle, Content-Length was right",
    "file-cut-no-length": "closes in the middle of a file without Content-Length",
    "file-cut-chunked": "closes in the middle of a chunked file",
    "file-no-length": "sends the whole file without Content-Length",
    "file-length-long": "says a Content-Length that is 1,000 bytes too long",
    "file-length-short": "says a Content-Length that is 1,000 bytes (at most half) too short",
    "file-html": "answers 200 with HTML",
    "file-empty": "answers 200 with nothing",
    "file-gzip": "sends the file with Content-Encoding: gzip",
    "file-gzip-cut": "sends half of that, without Content-Length",
    "file-no-moov": "sends the file without its index (moov)",
    "file-drip": "sends 64 bytes each 20 ms",
    "file-stall": "sends half, then nothing more",
    "file-endless": "sends for ever (chunked)",
    "file-redirect": "redirects with 302 to the same host, where the file is",
    "file-redirect-elsewhere": "redirects with 302 to another host",
    "file-redirect-loop": "redirects with 302 to itself, always",
}
_CALLBACK = {
    "callback-lost": "never comes",
    "callback-twice": "comes twice",
    "callback-late": "comes 10 min / speed late",
    "callback-early": "says success at once, while statusTask says pending",
    "callback-broken": "comes first with JSON that breaks off, then (10 s / speed later) whole",
    "callback-forged-failed": "comes first from a liar who says failed, then (10 s / speed later) true",
    "callback-forged-url": "comes first from a liar with another link, then (10 s / speed later) true",
}
# Every fault: its name, which begins with its endpoint, and what it does there.
TABLE = {**_SUBMIT, **_STATUS, **_FILE, **_CALLBACK}


def parse_shares(words: Iterable[str]) -> dict[str, float]:
    """Return the shares of faults said as ``NAME=SHARE``; raise ValueError for what is not one."""
    shares = {}
    for word in words:
        name, _, share = word.partition("=")
        if name not in TABLE:
            raise ValueError(f"--fault {word}: no fault is called {name!r}; batchgen emulator --help names them")
        try:
            shares[name] = float(share)
        except ValueError:
            shares[name] = nan
        if not 0 <= shares[name] <= 1:
            raise ValueError(f"--fault {word}: a share is from 0 to 1; write it like {name}=0.25")
    return shares


@dataclass(frozen=True)
class Moment:
    """The request that a fault may befall."""

    endpoint: str  # submit, status, file or callback
    index: int  # counted from 0 over the endpoint's requests
    key: str  # the prompt, if there is one (submit), the taskId (status, callback) or the path (file)
    nth: int  # counted from 0 over the requests with this key


Plan = Callable[[Moment], str | None]


class Faults:
    """Which fault comes when: drawn by share, the same for the same seed, or said by ``plan``.

    ``shares`` may be changed at any time; while ``plan`` is set it alone decides.
    """

    def __init__(self, shares: Mapping[str, float] | None = None, seed: int = 0, plan: Plan | None = None) -> None:
        self.shares = dict(shares or {})
        self.plan = plan
        self.shown: Counter[str] = Counter()  # how often each fault came
        self._seed = seed
        self._indexes: Counter[str] = Counter()
        self._keys: Counter[tuple[str, str]] = Counter()
        unknown = self.shares.keys() - TABLE.keys()
        if unknown or any(not 0 <= share <= 1 for share in self.shares.values()):
            raise ValueError(f"faults have known names and shares from 0 to 1, not {dict(self.shares)}")

    def skip(self, endpoint: str, count: int) -> None:
        """Count requests that an emulator before this one saw, so that a restart does not repeat its draws."""
        self._indexes[endpoint] += count

    def draw(self, endpoint: str, key: str) -> tuple[str | None, Moment]:
        """Return the fault of the endpoint's next request, or None, and that request's moment."""
        moment = Moment(endpoint, self._indexes[endpoint], key, self._keys[endpoint, key])
        self._indexes[endpoint] += 1
        self._keys[endpoint, key] += 1
        name = self.plan(moment) if self.plan else self._by_share(moment)
        if name is not None:
            if name not in TABLE or _endpoint(name) != endpoint:
                raise ValueError(f"{name} is no fault of the endpoint {endpoint}")
            self.shown[name] += 1
        return name, moment

    def _by_share(self, moment: Moment) -> str | None:
        if not self.shares:
            return None
        point = Random(f"{self._seed}/{moment.endpoint}/{moment.index}").random()  # noqa: S311 - no secret
        for name, share in self.shares.items():
            if _endpoint(name) == moment.endpoint:
                point -= share
                if point < 0:
                    return name
        return None


def _endpoint(name: str) -> str:
    return name.partition("-")[0]
