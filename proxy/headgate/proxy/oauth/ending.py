"""The end of a session for which there is no token any more."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass

from headgate.proxy.oauth.bearer import NoAccessError


@dataclass(slots=True)
class Ending:
    """Closes a session once a request of it had no token, and what it took on before is done."""

    close: Callable[[str], None]
    """Takes the reason."""
    in_flight: int = 0
    reason: str | None = None

    @contextmanager
    def after_all(self) -> Generator[None]:
        """Make a request in this context."""
        self.in_flight += 1
        try:
            yield
        except NoAccessError as no_access:
            self.reason = str(no_access)
            raise
        finally:
            self.in_flight -= 1
            if self.reason is not None and self.in_flight == 0:
                self.close(self.reason)
