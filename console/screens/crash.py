"""What a crash leaves behind: one line on the terminal, and the frames without their variables in the log."""

from __future__ import annotations

import traceback
from pathlib import Path

from rich.text import Text

from widgets.words import moment


def crash_lines(error: BaseException | None, log_file: str, *, at: float) -> Text:
    """Writes the frames to the log (mode 0600) and gives the sentence for the terminal."""
    name = type(error).__name__ if error else "an unknown error"
    frames = traceback.extract_tb(error.__traceback__) if error else []
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
    sentence = f"cad-console stopped because of a fault of its own: {name} in {place}."
    try:
        path = Path(log_file)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        with path.open("a", encoding="utf-8") as log:
            log.write(f"{moment(at)} {name}\n")
            log.writelines(f"  {frame.filename}:{frame.lineno} in {frame.name}\n" for frame in frames)
        sentence += f" The frames are in {log_file}."
    except OSError as problem:
        sentence += f" The log could not be written: {problem.strerror}."
    return Text(sentence)
