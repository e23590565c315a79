"""The errata page: no exercises, no core cells."""

PAGE = "errata"
CORE: dict = {}
RIGHT: dict = {}
WRONG: dict = {}
GIVEAWAYS: dict = {}

ALLOWED: list = []
