"""One verb per function: the rules. Called by handlers, by the scheduler and by the web pages alike."""

from services.context import Actor, Context, Refusal

__all__ = ["Actor", "Context", "Refusal"]
