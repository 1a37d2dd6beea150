"""``estiba events``: what happens in the engine, as it happens."""

from __future__ import annotations

import time

from estiba.cli.clock import to_api
from estiba.cli.flags import FILTER, TEXT, Command, Flag, filters
from estiba.cli.session import CommandError
from estiba.cli.template_functions import TemplateError
from estiba.cli.templates import Template
from estiba.cli.typed import EVENT, Typed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS]",
    "Get real time events from the engine",
    (
        Flag("filter", "f", FILTER, "Filter output based on conditions provided"),
        Flag("format", "", TEXT, "Format output: 'json' or a Go template"),
        Flag("since", "", TEXT, "Show all events created since timestamp"),
        Flag("until", "", TEXT, "Stream events until this timestamp"),
    ),
    most=0,
)
_BAD_FORMAT = 64


def _typed(event: dict[str, Any]) -> Typed:
    return Typed(event, EVENT, "*events.Message")


def _template(text: str) -> Template | None:
    if not text:
        return None
    try:
        template = Template("{{json .}}" if text == "json" else text)
        template.render(_typed({}))
    except TemplateError as error:
        raise CommandError(f"Error parsing format: {error}", _BAD_FORMAT) from None
    return template


def line(event: dict[str, Any]) -> str:
    """``TIME TYPE ACTION ID (attributes)``."""
    nano = event.get("timeNano") or event.get("time", 0) * 1_000_000_000
    moment = time.localtime(nano // 1_000_000_000)
    zone = time.strftime("%z", moment)
    zone = "Z" if zone == "+0000" else f"{zone[:3]}:{zone[3:]}"
    stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', moment)}.{nano % 1_000_000_000:09d}{zone}"
    actor = event["Actor"]
    attributes = ", ".join(f"{key}={value}" for key, value in sorted((actor.get("Attributes") or {}).items()))
    text = f"{stamp} {event['Type']} {event['Action']} {actor['ID']}"
    return f"{text} ({attributes})" if attributes else text


def run(session: Session, options: Options, _arguments: list[str]) -> int:
    template = _template(options.text("format"))
    try:
        times = {name: to_api(options.text(name)) for name in ("since", "until") if options.text(name)}
    except ValueError as error:
        raise CommandError(str(error)) from None
    reply = session.client.request("GET", "/events", {**times, "filters": filters(options)})
    for event in session.client.objects(reply):
        if template is not None:
            session.write(template.render(_typed(event)))
        else:
            session.print(line(event))
        session.flush()
    return 0
