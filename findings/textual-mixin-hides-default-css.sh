#!/usr/bin/env bash
# Textual 8.2.8 (Python 3.11): a mixin that derives from DOMNode, before Screen in the bases of a class
#   Expected: `class MyScreen(Mixin, Screen)` inherits everything by Python's method resolution order, including Screen's DEFAULT_CSS.
#   Observed: for default style sheets, Textual follows only the first base that is a node (Mixin, then DOMNode). The rules of Screen and
#   Widget are lost for this class (background), while its methods and bindings are inherited.
#     mixin of object: #121212   mixin of DOMNode: #00000000
#   Why it matters: nothing warns; the screen works, with black scrollbars. Derive a mixin for screens or widgets from object.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check textual==8.2.8
"$folder/venv/bin/python" - <<'PY'
import asyncio
import sys

import textual
from textual.app import App
from textual.dom import DOMNode
from textual.screen import Screen

print("textual", textual.__version__)
print("guess: both screens have Screen's default background")


class Plain:
    pass


class Node(DOMNode):
    pass


class WithPlain(Plain, Screen[None]):
    pass


class WithNode(Node, Screen[None]):
    pass


async def background(kind: type) -> str:
    app = App()
    async with app.run_test() as pilot:
        app.push_screen(kind())
        await pilot.pause()
        return app.screen.styles.background.hex


plain, node = (asyncio.run(background(kind)) for kind in (WithPlain, WithNode))
print("mixin of object:", plain, "  mixin of DOMNode:", node)
sys.exit(0 if issubclass(WithNode, Screen) and plain != node else 1)
PY
