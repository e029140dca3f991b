"""Why a request has no answer, as an exception: the same on both ends of the wire."""

from __future__ import annotations

from retrieval.serving.messages import Failure, FailureCode


class RetrievalError(RuntimeError):
    """A request cannot be answered. ``failure`` is what goes over the wire."""

    def __init__(
        self, code: FailureCode, detail: str = "", retry_after: float | None = None
    ) -> None:
        """Say why: a code for programs, a sentence for people, seconds until it may go better."""
        super().__init__(detail or code)
        self.failure = Failure(code, detail, retry_after)

    @property
    def code(self) -> FailureCode:
        """Why there is no answer."""
        return self.failure.code

    @property
    def detail(self) -> str:
        """The same in a sentence; for "internal" the id that the log has."""
        return self.failure.detail

    @property
    def retry_after(self) -> float | None:
        """Seconds after which it may be tried again, where that is known."""
        return self.failure.retry_after

    @classmethod
    def of(cls, failure: Failure) -> RetrievalError:
        """Return the exception of what came over the wire."""
        return cls(failure.code, failure.detail, failure.retry_after)
