"""The limits of this service in words, for its own description at GET /docs.

Entry point: `described_limits`.
"""

from service.settings import Settings


def described_limits(settings: Settings, max_body_bytes: int) -> str:
    """Return the limits of requests under these settings, as Markdown."""
    limits = (
        f"a body of {max_body_bytes // 1024} KiB, sent within {settings.body_timeout_s:g} s",
        f"{settings.max_images} images, of {settings.max_pixels} pixels and {settings.max_steps} steps each",
        f"images x height x width x steps within {settings.max_pixel_steps}",
        f"{settings.timeout_s:g} s where it names no `timeout_s`, and at most {settings.max_timeout_s:g} s",
        f"{settings.max_waiting} images that wait, of all requests together: beyond them the answer is 429, and "
        "`Retry-After` says when there will be room",
    )
    return "A request is within these limits:\n\n" + "\n".join(f"- {limit}" for limit in limits)
