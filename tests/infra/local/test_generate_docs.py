"""Are the generated pages of the manual fresh?"""

import subprocess
import sys


def test_every_page_is_fresh():
    # In a process of its own: click keeps the help option of whoever asked a command for it first.
    command = [sys.executable, "-m", "infra.local.generate_docs", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
