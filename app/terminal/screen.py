"""The terminal: what was said scrolls above, the line being typed and the status stay below.

Owns the terminal while it runs. Lines are printed into the terminal's own scrollback, those of a moment in one go,
above an input line that is drawn anew: it is never broken, however much arrives.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import create_input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import BufferControl, Dimension, FormattedTextControl, HSplit, Layout, Window
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.output import ColorDepth, create_output
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.renderer import print_formatted_text
from prompt_toolkit.styles import Style

from app.terminal.transcript import Line, note

GATHER_SECONDS = 0.03
LINES_MAX = 5000
INPUT_ROWS_MAX = 6
STYLE = Style.from_dict(
    {
        "time": "ansibrightblack",
        "label": "ansicyan",
        "quiet": "ansibrightblack",
        "note": "ansibrightblack",
        "day": "ansibrightblack",
        "warning": "ansiyellow",
        "mention": "bold ansiyellow",
        "prompt": "bold",
        "status": "reverse",
        "name0": "bold ansired",
        "name1": "bold ansigreen",
        "name2": "bold ansiblue",
        "name3": "bold ansimagenta",
        "name4": "bold ansicyan",
        "name5": "bold ansiyellow",
    }
)


class Screen:
    """What the program shows and what the user types.

    Args:
        on_line: called with each line that is entered.
        on_key: called after each change of the line, with the line.
        status: gives the status line for a width in columns; asked whenever the screen is drawn, and once a second.
        colours: whether there are any.
    """

    def __init__(
        self,
        on_line: Callable[[str], None],
        on_key: Callable[[str], None],
        status: Callable[[int], str],
        colours: bool,
    ) -> None:
        self._on_line = on_line
        self._lines: deque[Line] = deque(maxlen=LINES_MAX)
        self._left_out = 0
        self._gathering: asyncio.TimerHandle | None = None
        buffer = Buffer(multiline=False, history=InMemoryHistory(), accept_handler=self._accept)
        buffer.on_text_changed += lambda changed: on_key(changed.text)
        line = Window(
            BufferControl(buffer, input_processors=[BeforeInput("> ", style="class:prompt")]),
            height=Dimension(min=1, max=INPUT_ROWS_MAX),
            wrap_lines=True,
            dont_extend_height=True,
        )
        below = FormattedTextControl(lambda: [("class:status", status(self._output.get_size().columns))])
        self._output = create_output(sys.stdout)
        if isinstance(self._output, Vt100_Output):
            self._output.enable_cpr = False  # what is typed while the terminal answers would be taken for its answer
        self._app: Application[None] = Application(
            layout=Layout(HSplit([line, Window(below, height=1, style="class:status")])),
            key_bindings=self._keys(),
            style=STYLE,
            color_depth=None if colours else ColorDepth.DEPTH_1_BIT,
            input=create_input(sys.stdin),
            output=self._output,
            refresh_interval=1.0,
            erase_when_done=True,
        )

    async def run(self) -> None:
        """Until the user leaves, or `end` is called."""
        try:
            await self._app.run_async(handle_sigint=False)
        except EOFError:
            pass  # the terminal is gone
        finally:
            self._print()

    def end(self) -> None:
        """Stop running, soon."""
        if self._app.is_running and not self._app.is_done:
            self._app.exit()

    def show(self, lines: list[Line]) -> None:
        """Print above the input line, soon. More than LINES_MAX of a moment are not printed but counted."""
        self._left_out += max(0, len(self._lines) + len(lines) - LINES_MAX)
        self._lines.extend(lines)
        if self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._print)

    def refresh(self) -> None:
        """Something that the status line shows has changed."""
        self._app.invalidate()

    def _print(self) -> None:
        self._gathering = None
        lines, left_out = list(self._lines), self._left_out
        self._lines.clear()
        self._left_out = 0
        if left_out:
            lines.insert(0, note(f"--- {left_out} lines left out here: too many at once ---", "warning"))
        if not lines:
            return
        fragments: StyleAndTextTuples = [
            (f"class:{style}", text) for line in lines for style, text in [*line, ("", "\n")]
        ]
        self._app.renderer.erase()
        print_formatted_text(self._output, fragments, STYLE, color_depth=self._app.color_depth)
        self._app.invalidate()

    def _accept(self, buffer: Buffer) -> bool:
        self._on_line(buffer.text)
        return False  # the line is emptied

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        @keys.add("c-c")
        @keys.add("<sigint>")
        def _(event: KeyPressEvent) -> None:
            event.app.exit()

        @keys.add("c-d")
        def _(event: KeyPressEvent) -> None:
            if event.current_buffer.text:
                event.current_buffer.delete()
            else:
                event.app.exit()

        @keys.add("c-l")
        def _(event: KeyPressEvent) -> None:
            event.app.renderer.clear()

        @keys.add("c-z")
        def _(event: KeyPressEvent) -> None:
            event.app.suspend_to_background()

        @keys.add("escape", "enter")
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        @keys.add("enter")
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.validate_and_handle()

        return keys
