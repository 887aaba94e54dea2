"""Are the generated pages of the manual up to date?"""

import subprocess
import sys


def test_every_generated_page_is_up_to_date():
    # In a separate process: click keeps the help option of the first caller.
    command = [sys.executable, "-m", "infra.local.generate_docs", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
