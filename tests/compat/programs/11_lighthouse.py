"""A lighthouse: timers of both faces, with the triggers of APScheduler and with cron texts.

Worker: qtasks -app program:app run -p 2
Worker: python program.py timer
Worker: python program.py async-timer
"""

import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from qtasks import QueueTasks
from qtasks.asyncio import QueueTasks as AsyncQueueTasks
from qtasks.timers import AsyncTimer, SyncTimer

url = os.environ["QTASKS_URL"]
app = QueueTasks("lighthouse", url)
harbour = AsyncQueueTasks("lighthouse", url)


@app.task
def flash(colour: str, times: int = 1):
    with Path(f"{colour} lights").open("a") as ledger:
        ledger.write("*" * times)


def sound(what: str):
    Path(what).touch()


@app.task
async def foghorn():
    sound("foghorn")


def lights(colour: str) -> int:
    ledger = Path(f"{colour} lights")
    return len(ledger.read_text()) if ledger.exists() else 0


if __name__ == "__main__" and "timer" in sys.argv:
    timer = SyncTimer(app=app)
    timer.add_task("flash", "white", trigger=IntervalTrigger(seconds=1))
    timer.add_task("foghorn", trigger=DateTrigger(run_date=datetime.now(UTC) + timedelta(seconds=1)))
    timer.add_task(task_name="flash", colour="blue", trigger="0 12 * * 1-5", priority=3)
    timer.run_forever()
elif __name__ == "__main__" and "async-timer" in sys.argv:
    timer = AsyncTimer(app=harbour)
    timer.add_task("flash", "red", times=2, trigger=CronTrigger(second="*"), priority=1, timeout=10)
    timer.add_task("flash", "green", trigger=CronTrigger.from_crontab("30 4 1 1 *"))
    timer.run_forever()
elif __name__ == "__main__":
    while lights("white") < 2 or lights("red") < 4 or not Path("foghorn").exists():
        time.sleep(0.01)
    assert (lights("blue"), lights("green")) == (0, 0)
    assert lights("red") % 2 == 0
