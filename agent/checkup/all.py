"""The whole examination, subject by subject."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from agent.checkup.case import Case
from agent.checkup.certificates import examine_certificates
from agent.checkup.clock import judge_clock, signs
from agent.checkup.configuration import examine_configuration
from agent.checkup.disk import examine_disk
from agent.checkup.files import examine_files
from agent.checkup.finding import Finding
from agent.checkup.links import Links
from agent.checkup.machine import ask_unit, examine_machine
from agent.checkup.running import examine_agent
from agent.checkup.users import service_user
from agent.clock import Clock
from agent.threads import in_a_thread


async def examine(case: Case, silence: str, clock: Clock, told: Callable[[], None]) -> list[Finding]:
    """Examine everything.

    Args:
        case: what is examined.
        silence: why a running agent does not answer; empty: it does, or none runs.
        clock: both clocks.
        told: called for each thing outside that was looked at.
    """
    agent = case.parts.agent
    unit = await in_a_thread("doctor service", ask_unit)
    case = replace(case, held=case.running or unit.get("ActiveState") == "active")
    user = service_user(agent.data_dir, unit.get("User", ""))
    links = Links(case, user, clock, told)

    def here() -> list[Finding]:
        return [
            *examine_configuration(case, clock, service=bool(unit)),
            *examine_files(case, user),
            *examine_agent(case, silence),
            *examine_disk(agent.data_dir, clock),
        ]

    found = await in_a_thread("doctor files", here)
    outside = await links.examine()

    def rest() -> Iterator[Finding]:
        written = agent.clock == "trusted"
        yield from judge_clock(clock, signs(), links.receivers, written=written, zone=case.parts.zone)
        yield from outside
        yield from examine_certificates(case, clock)
        yield from examine_machine(case, unit)

    return found + await in_a_thread("doctor machine", lambda: list(rest()))
