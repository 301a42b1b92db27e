"""The SDK's session with an upstream, and beside it what is for clients."""

import mcp_types as types
from mcp.client.session import ClientSession
from mcp.shared.dispatcher import Dispatcher
from mcp.shared.transport_context import TransportContext

from headgate.proxy.connection import Opening
from headgate.proxy.news import Wanted
from headgate.proxy.traffic import Traffic


class Session(ClientSession):
    """One session. What the upstream asks is for clients to answer, so all that they may be asked is declared."""

    def __init__(self, dispatcher: Dispatcher[TransportContext], opening: Opening, info: types.Implementation) -> None:
        """Not yet negotiated."""
        self.traffic = Traffic(opening.news, opening.anyone)
        self.wanted = Wanted()
        self._opening = opening
        super().__init__(
            dispatcher=self.traffic.tapped(dispatcher),
            client_info=info,
            message_handler=self._on_message,
            sampling_callback=_not_reached,
            sampling_capabilities=types.SamplingCapability(
                context=types.SamplingContextCapability(), tools=types.SamplingToolsCapability()
            ),
            elicitation_callback=_not_reached,
            list_roots_callback=_not_reached,
        )

    def offers(self, what: str) -> bool:
        """Whether the upstream says that it has the capability `what`."""
        return getattr(self.server_capabilities, what, None) is not None

    async def notify(self, method: str) -> None:
        """Send a notification without params."""
        await self._dispatcher.notify(method, None)

    async def _on_message(self, message: object) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self._opening.tools_changed()


async def _not_reached(*_: object, **__: object) -> types.ErrorData:
    """Stand for what is taken out of the traffic before: the session declares what it has callbacks for."""
    return types.ErrorData(code=types.INVALID_REQUEST, message="there is no client to ask")
