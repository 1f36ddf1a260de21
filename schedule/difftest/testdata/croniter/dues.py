"""Answers lines "AFTER\tCOUNT\tZONE\tCRONTAB" with the next due times after a
Unix second, as Unix seconds, or with "! " and why not. PYTHONTZPATH names the
zone data."""

import sys
from datetime import datetime
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter


def dues(after, count, zone, crontab):
    zone = ZoneInfo(zone)
    cron = croniter(crontab, max_years_between_matches=16)
    for _ in range(count):
        # Each one anew: croniter carries the offset of its start along.
        try:
            after = int(cron.get_next(float, start_time=datetime.fromtimestamp(after, zone)))
        except CroniterBadDateError:  # it has looked far enough
            return
        yield after


for line in sys.stdin:
    after, count, zone, crontab = line.rstrip("\n").split("\t")
    try:
        print(*dues(int(after), int(count), zone, crontab))
    except Exception as err:  # whatever it is, it is the answer
        print("!", err)
    sys.stdout.flush()
