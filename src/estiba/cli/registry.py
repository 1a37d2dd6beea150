"""Which command is where: name → module and one line of help. Nothing is imported before it is called.

A module of ``cli.commands`` has ``COMMAND`` (its flags) and ``run(session, options, arguments) -> int``.
"""

from __future__ import annotations

# name: (module in estiba.cli.commands, help)
Table = dict[str, tuple[str, str]]

_SHARED: Table = {
    "attach": ("attach", "Attach local standard input, output, and error streams to a running container"),
    "commit": ("commit", "Create a new image from a container's changes"),
    "cp": ("cp", "Copy files/folders between a container and the local filesystem"),
    "create": ("create", "Create a new container"),
    "diff": ("diff", "Show what changed in a container's filesystem"),
    "exec": ("exec", "Execute a command in a running container"),
    "export": ("export", "Export a container's filesystem as a tar archive"),
    "kill": ("kill", "Kill one or more running containers"),
    "logs": ("logs", "Fetch the logs of a container"),
    "pause": ("pause", "Pause all processes within one or more containers"),
    "port": ("port", "List port mappings or a specific mapping for the container"),
    "rename": ("rename", "Rename a container"),
    "restart": ("restart", "Restart one or more containers"),
    "rm": ("rm", "Remove one or more containers"),
    "run": ("run", "Create and run a new container from an image"),
    "start": ("start", "Start one or more stopped containers"),
    "stats": ("stats", "Display a live stream of container(s) resource usage statistics"),
    "stop": ("stop", "Stop one or more running containers"),
    "top": ("top", "Display the running processes of a container"),
    "unpause": ("unpause", "Unpause all processes within one or more containers"),
    "update": ("update", "Update configuration of one or more containers"),
    "wait": ("wait", "Block until one or more containers stop, then print their exit codes"),
}

TOP: Table = {
    **_SHARED,
    "completion": ("completion", "Print a shell's completion script (bash, zsh, fish)"),
    "doctor": ("doctor", "Check what this machine can do, with a fix for what it cannot"),
    "events": ("events", "Get real time events from the engine"),
    "history": ("image_history", "Show the history of an image"),
    "images": ("image_ls", "List images"),
    "import": ("image_import", "Import the contents from a tarball to create a filesystem image"),
    "info": ("info", "Display system-wide information"),
    "inspect": ("inspect", "Return low-level information on containers, images, networks and volumes"),
    "load": ("image_load", "Load an image from a tar archive or STDIN"),
    "plan": ("plan", "Show the launch plan of a container, readable"),
    "ps": ("ps", "List containers"),
    "pull": ("image_pull", "Download an image from a registry"),
    "push": ("image_push", "Upload an image to a registry"),
    "rmi": ("image_rm", "Remove one or more images"),
    "save": ("image_save", "Save one or more images to a tar archive (streamed to STDOUT by default)"),
    "serve": ("serve", "Run the engine"),
    "tag": ("image_tag", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE"),
    "version": ("version", "Show the versions of client and engine"),
}

GROUPS: dict[str, tuple[str, Table]] = {
    "container": (
        "Manage containers",
        {
            **_SHARED,
            "inspect": ("container_inspect", "Display detailed information on one or more containers"),
            "ls": ("ps", "List containers"),
            "prune": ("container_prune", "Remove all stopped containers"),
        },
    ),
    "image": (
        "Manage images",
        {
            "from-host": ("image_from_host", "Make a minimal image of programs of the engine's machine"),
            "history": ("image_history", "Show the history of an image"),
            "import": ("image_import", "Import the contents from a tarball to create a filesystem image"),
            "inspect": ("image_inspect", "Display detailed information on one or more images"),
            "load": ("image_load", "Load an image from a tar archive or STDIN"),
            "ls": ("image_ls", "List images"),
            "prune": ("image_prune", "Remove unused images"),
            "pull": ("image_pull", "Download an image from a registry"),
            "push": ("image_push", "Upload an image to a registry"),
            "rm": ("image_rm", "Remove one or more images"),
            "save": ("image_save", "Save one or more images to a tar archive (streamed to STDOUT by default)"),
            "tag": ("image_tag", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE"),
        },
    ),
    "network": (
        "Manage networks",
        {
            "connect": ("network_connect", "Connect a container to a network"),
            "create": ("network_create", "Create a network"),
            "disconnect": ("network_disconnect", "Disconnect a container from a network"),
            "inspect": ("network_inspect", "Display detailed information on one or more networks"),
            "ls": ("network_ls", "List networks"),
            "prune": ("network_prune", "Remove all unused networks"),
            "rm": ("network_rm", "Remove one or more networks"),
        },
    ),
    "system": (
        "Manage the engine",
        {
            "df": ("system_df", "Show disk usage"),
            "events": ("events", "Get real time events from the engine"),
            "info": ("info", "Display system-wide information"),
            "prune": ("system_prune", "Remove unused data"),
        },
    ),
    "volume": (
        "Manage volumes",
        {
            "create": ("volume_create", "Create a volume"),
            "inspect": ("volume_inspect", "Display detailed information on one or more volumes"),
            "ls": ("volume_ls", "List volumes"),
            "prune": ("volume_prune", "Remove unused local volumes"),
            "rm": ("volume_rm", "Remove one or more volumes"),
        },
    ),
}

# other words for the same, within every table that has the target
ALIASES = {"list": "ls", "remove": "rm"}
GROUP_ALIASES = {("container", "ps"): "ls"}

# shown first in the help
COMMON = ("run", "exec", "ps", "images", "version", "info", "doctor")


def find(table: Table, name: str, group: str = "") -> tuple[str, str] | None:
    """The table's entry for a name or one of its other words."""
    if group:
        name = GROUP_ALIASES.get((group, name), ALIASES.get(name, name))
    return table.get(name)
