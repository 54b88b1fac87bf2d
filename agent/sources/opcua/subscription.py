"""The subscription at the server: what it is asked for, and whether it takes subscriptions at all.

asyncua's `Subscription` is not used: it starts a task for each value, forgets an item that was
refused once, and can lose all of them while it calls itself connected (seen with 2.1.0). The
services are called as they are.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaStatusCodeError, UaStructParsingError

from agent.config.fields import format_duration
from agent.model import MILLISECOND, SECOND
from agent.sources.opcua.config import OpcUaSource
from agent.sources.opcua.values import status_reason

_log: Final = logging.getLogger(__name__)

_LIFETIME: Final = 60 * SECOND  # how long the server keeps the subscription of a client that is gone
_LEAST_LIFETIME: Final = 3  # keep-alive intervals (OPC 10000-4, 5.14.2)
_LAST_NUMBER: Final = 2**32 - 1  # of a message; the next is 1 (OPC 10000-4, 7.9)
_PER_PUBLISH: Final = 1000  # values in one message: decoding it holds up the loop

NONE_TAKEN: Final = {
    StatusCodes.BadServiceUnsupported,
    StatusCodes.BadNotSupported,
    StatusCodes.BadNotImplemented,
    StatusCodes.BadTooManySubscriptions,
    StatusCodes.BadTooManyMonitoredItems,
    StatusCodes.BadMonitoringModeInvalid,
}
"""Refusals of a server that can still be read, one value after the other."""


class Continuity:
    """Whether every message of a subscription has arrived: they are numbered without a gap (OPC 10000-4, 5.14.1).

    Attributes:
        broken: one was lost, or could not be decoded; whoever has made up for it sets it back.
    """

    def __init__(self) -> None:
        self.broken = False
        self._next: int | None = None

    def see(self, message: ua.NotificationMessage) -> None:
        """Note the number of a message; a keep-alive bears the number of the one that comes next."""
        number = message.SequenceNumber
        if message.NotificationData:
            self.broken |= self._next not in (None, number)
            self._next = number % _LAST_NUMBER + 1
        elif (
            self._next is not None and number > self._next
        ):  # an earlier one is a server's mistake, and no loss
            self.broken, self._next = True, number

    def lose(self) -> None:
        """Note that one could not be decoded."""
        self.broken = True
        self._next = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as the server made it; `keep_alive`: nanoseconds between two signs of life at most."""

    number: int
    keep_alive: int
    continuity: Continuity


async def subscribe(
    session: UaSession,
    name: str,
    config: OpcUaSource,
    keep_alive: int,
    arrived: Callable[[ua.PublishResult], None],
) -> Subscription | None:
    """Create the subscription; None where the server has none to give.

    Args:
        session: an active session.
        name: of the source.
        config: how often to publish.
        keep_alive: nanoseconds; the longest silence that is asked for (asyncua's own choice would be
            75 % of the session's timeout: a dead subscription unnoticed for minutes).
        arrived: called with each publish response, keep-alives included; must not raise.
    """
    wanted = _parameters(config.publish_every, keep_alive)
    continuity = _watch_over(session)

    def see(response: ua.PublishResult) -> None:
        continuity.see(response.NotificationMessage)
        arrived(response)

    try:
        result = await session.create_subscription(wanted, see)
    except UaStatusCodeError as error:
        if error.code not in NONE_TAKEN:
            raise
        _log.warning(
            "%s: the server takes no subscription, %s; every tag is read every %s instead",
            name,
            status_reason(error.code),
            format_duration(config.sample_every),
        )
        return None
    publish_every, cycles = _pace(result)
    if publish_every > config.publish_every and publish_every * cycles > keep_alive:
        publish_every, cycles = await _shorten(session, result.SubscriptionId, publish_every, keep_alive)
    return Subscription(result.SubscriptionId, publish_every * cycles, continuity)


def _watch_over(session: UaSession) -> Continuity:
    """Notice the messages that asyncua cannot decode: its own loop drops them, and asks for the next."""
    continuity, publish = Continuity(), session.publish

    async def watched(acks: list[ua.SubscriptionAcknowledgement]) -> ua.PublishResponse:
        try:
            return await publish(acks)
        except UaStructParsingError:
            continuity.lose()
            raise

    session.publish = watched  # type: ignore[method-assign]
    return continuity


async def _shorten(
    session: UaSession, subscription: int, publish_every: int, keep_alive: int
) -> tuple[int, int]:
    """Ask for fewer cycles between two keep-alives; give what the server makes of it.

    It publishes less often than it was asked to: the same count of cycles would be a longer silence.
    """
    slower = _parameters(publish_every, keep_alive)
    revised = await session.update_subscription(
        ua.ModifySubscriptionParameters(
            SubscriptionId=ua.IntegerId(subscription),
            RequestedPublishingInterval=slower.RequestedPublishingInterval,
            RequestedLifetimeCount=slower.RequestedLifetimeCount,
            RequestedMaxKeepAliveCount=slower.RequestedMaxKeepAliveCount,
            MaxNotificationsPerPublish=_PER_PUBLISH,
        )
    )
    return _pace(revised)


def _pace(revised: ua.CreateSubscriptionResult | ua.ModifySubscriptionResult) -> tuple[int, int]:
    """Give the nanoseconds between two publishes, and how many of these between two keep-alives."""
    return round(revised.RevisedPublishingInterval * MILLISECOND), revised.RevisedMaxKeepAliveCount


def _parameters(publish_every: int, keep_alive: int) -> ua.CreateSubscriptionParameters:
    cycles = max(1, keep_alive // publish_every)
    return ua.CreateSubscriptionParameters(
        RequestedPublishingInterval=publish_every / MILLISECOND,
        RequestedLifetimeCount=max(_LEAST_LIFETIME * cycles, _LIFETIME // publish_every),
        RequestedMaxKeepAliveCount=cycles,
        MaxNotificationsPerPublish=_PER_PUBLISH,
    )
