"""Container names: which are allowed, and random ones."""

from __future__ import annotations

import random
import re
from typing import Final

from estiba.errors import InvalidArgument

_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# how cargo may be, and what carries or handles it
QUALITIES: Final = _words("""
    able airy amber ample apt arched azure bold brave brief bright brisk broad bronze calm candid clear clever
    coastal cool coral cosy crisp curious daring deep deft dry eager early easy even fair faithful fast fine
    firm fleet fresh friendly full gentle glad golden good grand green handy happy hardy hearty honest humble
    indigo ivory jolly just keen kind large lasting late level light lively loyal lucid lucky mellow merry
    mighty mild modest neat nimble noble northern open orderly patient plain polite prime proud prudent quick
    quiet rapid ready robust round royal safe salty sandy serene sharp silver simple sleek slow smart smooth
    snug solid southern spry stable starry steady stout strong sturdy subtle sunny sure swift tall tidy tranquil
    trim true trusty upright vast vivid warm western wide wise witty
""")
THINGS: Final = _words("""
    anchor ballast barge barque barrel beacon berth boatswain bollard bow bowline brig brigantine bridge bulwark
    buoy cabin cable caique canal canoe capstan caravel cargo carrack catamaran chandler channel chart chest
    clipper coaster cog compass container convoy coracle corsair cove crane crate crew current cutter davit deck
    derrick dhow dinghy dock dolphin dory drifter estuary felucca ferry fender fjord flagship fleet forecastle
    freighter frigate funnel galleon galley gangway gull gunwale halyard harbour hatch haven hawser headland
    helm herring hold hoist hull island jetty jib junk keel keg ketch knot lagoon landing lanyard lantern lateen
    ledger lighter lighthouse liner lock log lugger mainsail manifest mariner marina mast merchant mizzen
    mooring navigator oar packet paddle pallet parcel pier pilot pinnace port porter prow pulley quay raft reef
    rigging roadstead rope rudder sailor schooner sextant shallop ship shoal shore sloop spar spinnaker stern
    steward stevedore strait tack tanker tender tide tiller topsail trawler tug vessel voyage wharf winch
    windlass xebec yacht yard yawl
""")


def check_container_name(name: str) -> None:
    """Raises InvalidArgument, in Docker's words, for a name that no container may have."""
    if not _NAME.fullmatch(name):
        raise InvalidArgument(f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")


def random_name() -> str:
    """A name for a container that was given none."""
    return f"{random.choice(QUALITIES)}_{random.choice(THINGS)}"
