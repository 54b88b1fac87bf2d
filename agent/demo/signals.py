"""What the simulated plant does: every signal as a function of time.

Rules for whoever changes this file: pure and deterministic, so that a test can tell when an alarm is
due. Whoever starts to watch at any moment must see each protocol's signal cross its limit and return
within ten seconds; the limits stand in `agent.demo.configuration`.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signals:
    """The plant at one instant.

    Attributes:
        temperature: reactor jacket, °C; limit 170, every fourth cycle beyond 185.
        pressure: reactor, bar; follows the temperature.
        pump_running: circulation pump; stands still 4 s of every 24 s.
        level: feed tank, %; fills for 20 s, drains for 20 s.
        steam: boiler, bar; limit 12.
        current: compressor motor, A; limit 40.
    """

    temperature: float
    pressure: float
    pump_running: bool
    level: float
    steam: float
    current: float


def signals_at(seconds: float) -> Signals:
    """The plant `seconds` after it was started."""
    temperature = _swing(seconds, 6, 150.0, 188.0 if seconds // 6 % 4 == 3 else 174.0)  # noqa: PLR2004 - every fourth
    return Signals(
        temperature=temperature,
        pressure=1.0 + (temperature - 150.0) / 40.0,
        pump_running=(seconds + 10.0) % 24 < 20.0,  # noqa: PLR2004 - seconds of its cycle, see Signals
        level=_swing(seconds, 40, 30.0, 80.0),
        steam=_swing(seconds, 7, 9.5, 12.8),
        current=_swing(seconds, 5, 28.0, 43.0),
    )


def _swing(seconds: float, period: float, low: float, high: float) -> float:
    """From `low` up to `high` and back, once a period, smoothly (a squared sine)."""
    return low + (high - low) * math.sin(math.pi * seconds / period) ** 2
