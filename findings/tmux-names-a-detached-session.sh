#!/usr/bin/env bash
# tmux 3.3a-3 (Debian 12): `display-message -p -t PANE '#{session_attached}'`
#   Expected: for a pane given by its id, tmux says whether a client is attached to any session that shows that pane.
#   Observed: several sessions may share a window (`new-session -t`); tmux reports the most recently used one, attached or not:
#     expected: an attached session   display-message: console 0      list-panes -a: console 0, wall 1
#   while `wall` is attached and shows the pane.
#   Why it matters: the console pauses while no client is attached, and it paused on the wall display. `list-panes -a` has a row for
#   every session that shows a pane.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download tmux=3.3a-3 libevent-core-2.1-7 libutempter0 >/dev/null 2>&1
for package in ./*.deb; do dpkg -x "$package" root; done
library=$(dirname "$(find root -name 'libevent_core*' | head -1)")
export LD_LIBRARY_PATH="$folder/$library" PATH="$folder/root/usr/bin:$PATH"
tmux -V
env -u TMUX -u TMUX_PANE python3 - "$folder" <<'PY'
import os
import pty
import subprocess
import sys
import threading
import time

words = ["tmux", "-S", f"{sys.argv[1]}/socket", "-f", "/dev/null"]
environ = {**os.environ, "TERM": "xterm"}


def run(*more):
    return subprocess.run([*words, *more], env=environ, capture_output=True, text=True).stdout.strip()


def attach(*more):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe("tmux", [*words, *more], environ)

    def read():
        try:
            while os.read(terminal, 65536):
                pass
        except OSError:
            pass

    threading.Thread(target=read, daemon=True).start()
    time.sleep(1.5)
    return terminal


run("new-session", "-d", "-s", "console", "sleep 60")
pane = run("display-message", "-p", "-t", "console", "#{pane_id}")
attach("new-session", "-t", "console", "-s", "wall")
first = attach("attach", "-t", "console")
os.write(first, b"x")
time.sleep(0.5)
run("detach-client", "-s", "console")
time.sleep(1.0)
said = run("display-message", "-p", "-t", pane, "#{session_name} #{session_attached}")
every = run("list-panes", "-a", "-F", "#{session_name} #{session_attached}").splitlines()
run("kill-server")
print("guess: an attached session")
print("display-message:", said)
print("list-panes -a:", ", ".join(every))
sys.exit(0 if said == "console 0" and "wall 1" in every else 1)
PY
