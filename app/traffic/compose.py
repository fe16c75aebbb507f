"""The stack of docker-compose.yml, up already: its containers are killed, stopped, paused and started again."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

from app.traffic.stacks import Remote, StackError, Unsupported

APP, REDIS = "app", "redis"
DOCKER_SECONDS = 90.0


async def docker(*arguments: str) -> str:
    """What a docker command prints. Raises OSError if it fails."""
    process = await asyncio.create_subprocess_exec(
        "docker",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DOCKER_SECONDS):
            out, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        raise OSError(f"docker {' '.join(arguments)} takes too long") from None
    if process.returncode:
        raise OSError(f"docker {' '.join(arguments)}: {errors.decode().strip()[:200]}")
    return out.decode()


class Compose(Remote):
    """A compose project. A worker is the one run of a replica's container: its name and when it was started."""

    def __init__(self, urls: list[str], project: str) -> None:
        super().__init__(urls)
        self.description = f"docker compose project {project} at {', '.join(self.urls)}"
        self._project = project
        self._replicas = 0

    async def start(self) -> None:
        """It must run already; remember how many replicas it has."""
        await super().start()
        try:
            self._replicas = len(await self.workers())
        except OSError as error:
            raise StackError(str(error)) from None
        if not self._replicas:
            raise StackError(f"no healthy containers of {APP} in the project {self._project}")

    async def _containers(self, service: str) -> list[str]:
        out = await docker(
            *("ps", "--all", "--format", "{{.Names}}"),
            *("--filter", f"label=com.docker.compose.project={self._project}"),
            *("--filter", f"label=com.docker.compose.service={service}"),
        )
        return sorted(out.split())

    async def _state(self, container: str) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(await docker("inspect", "--format", "{{json .State}}", container))
        return state

    async def workers(self) -> list[str]:
        """The replicas that are healthy."""
        found = []
        for name in await self._containers(APP):
            state = await self._state(name)
            if state["Running"] and state.get("Health", {}).get("Status", "healthy") == "healthy":
                found.append(f"{name} {state['StartedAt']}")
        return found

    async def ready(self) -> bool:
        """As many replicas as at the beginning are healthy, and nginx reaches one that is ready."""
        return len(await self.workers()) >= self._replicas and await super().ready()

    async def signal_worker(self, worker: str, number: signal.Signals) -> None:
        """Do to a container what the signal does to a process; one that ends by it is started again."""
        await self._signal(worker.split()[0], number)

    async def _redis_container(self) -> str:
        containers = await self._containers(REDIS)
        if len(containers) != 1:
            raise Unsupported(f"the project has {len(containers)} containers of {REDIS}")
        return containers[0]

    async def signal_redis(self, number: signal.Signals) -> None:
        """The same with Redis."""
        await self._signal(await self._redis_container(), number)

    async def _signal(self, container: str, number: signal.Signals) -> None:
        match number:
            case signal.SIGKILL:
                await docker("kill", container)
                await docker("start", container)
            case signal.SIGTERM:
                await docker("restart", container)
            case signal.SIGSTOP:
                await docker("pause", container)
            case signal.SIGCONT:
                await docker("unpause", container)
            case _:
                raise Unsupported(f"{number.name} for a container")

    async def redis_process(self) -> str:
        """When the container was started."""
        return str((await self._state(await self._redis_container()))["StartedAt"])

    async def redis(self, *command: str) -> Any:
        """One command through redis-admin in the container: what it prints. Raises OSError."""
        return (await docker("exec", await self._redis_container(), "redis-admin", *command)).strip()
