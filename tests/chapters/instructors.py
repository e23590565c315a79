"""The instructor's page: no exercises, no core cells, no results."""

PAGE = "instructors"
CORE: dict = {}
RIGHT: dict = {}
WRONG: dict = {}
GIVEAWAYS: dict = {}

ALLOWED: list = []
