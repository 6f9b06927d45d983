"""A newsroom: the awaitable face, routers, tasks shared by applications, and tasks of a Django site.

Worker: qtasks -A program:app run -p 2
"""

import asyncio
import os

import django
from django.conf import settings
from qtasks import AsyncRouter, SyncRouter, shared_task
from qtasks.asyncio import QueueTasks
from qtasks.contrib.django import autodiscover_tasks
from qtasks.registries import AsyncTask
from qtasks.results import AsyncResult
from qtasks.schemas.task_cls import AsyncTaskCls
from qtasks.utils import AsyncTaskUtils, get_app

# Tasks of modules that know no application yet.

articles = AsyncRouter()
prints = SyncRouter()


@articles.task
async def headline(text: str):
    return text.title()


@articles.task(name="articles.shorten", priority=-1)
async def shorten(text: str, length: int = 10):
    return text[:length]


@prints.task(tags=["paper"])
def layout(*headlines: str):
    return " | ".join(headlines)


@shared_task
async def proofread(text: str):
    return text.replace("teh", "the")


@shared_task(name="count", awaiting=True)
def count_words(text: str):
    return len(text.split())


app = QueueTasks("newsroom", broker_url=os.environ["QTASKS_URL"])
app.include_router(articles)
app.include_router(prints)

# A site of Django; its application `blog` has tasks of its own.

settings.configure(INSTALLED_APPS=["blog"])
django.setup()
autodiscover_tasks(app)


async def main():
    assert await app.ping()
    assert get_app() is app
    assert articles in app.routers

    task = await headline.add_task("man bites dog")
    assert isinstance(headline, AsyncTask)
    assert isinstance(task, AsyncResult)
    done = await task.wait_result_async(timeout=30.0)
    assert done.returning == "Man Bites Dog"
    assert (await app.get(task.uuid)).status == "success"

    prepared = shorten(length=3, timeout=30.0)
    assert isinstance(prepared, AsyncTaskCls)
    assert (await prepared.bind("abcdef").add_task()).returning == "abc"
    tasks = await AsyncTaskUtils.chain(proofread("teh end"), headline(), shorten(length=7)).get(timeout=50.0)
    assert [task.returning for task in tasks] == ["the end", "The End", "The End"]

    together = await asyncio.gather(
        app.add_task("layout", "One", "Two", timeout=30.0),
        app.add_task("publish", "hello", timeout=30.0),
        count_words.add_task("one two three", timeout=30.0),
    )
    assert [task.returning for task in together] == ["One | Two", "/blog/hello/", 3]

    await app.flush_all()
    assert await app.get(task.uuid) is None


if __name__ == "__main__":
    asyncio.run(main())
