"""What `make` hands to every program that it starts."""

import os
import subprocess

from conftest import ROOT

PROBE = """
import matplotlib.font_manager as fonts
from IPython.paths import get_ipython_dir
from jupyter_core.paths import jupyter_config_dir
known = {font.name for font in fonts.fontManager.ttflist}
print(matplotlib.rcParams["font.size"], sorted({"DejaVu Sans", "STIXGeneral"} - known))
print(get_ipython_dir(), jupyter_config_dir())
"""


def test_a_home_changes_no_page(tmp_path):
    config = tmp_path / ".config" / "matplotlib"
    config.mkdir(parents=True)
    (config / "matplotlibrc").write_text("font.size: 40\n")
    cache = tmp_path / ".cache" / "matplotlib"
    cache.mkdir(parents=True)
    import matplotlib.font_manager as fonts

    name = f"fontlist-v{fonts.FontManager.__version__}.json"
    empty = object.__new__(fonts.FontManager)  # as of an installation that was deleted
    empty.__dict__.update(fonts.fontManager.__dict__, ttflist=[], afmlist=[])
    fonts.json_dump(empty, cache / name)
    (tmp_path / "probe.py").write_text(f"import matplotlib\n{PROBE}")
    kept = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
    done = subprocess.run(
        ["make", "-s", f"--eval=probe: ; $(BIN)/python {tmp_path}/probe.py", "probe"],
        cwd=ROOT,
        env=kept | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    settings, homes = done.stdout.splitlines()
    assert settings == "10.0 []"
    assert str(tmp_path) not in homes
